//! The only calls of blst's C functions: field elements, curve points and the two pairings, wrapped in safe
//! types.
//!
//! Why every call is sound: each C function here reads fixed-size structs through pointers made from live
//! references, writes one struct through a pointer to a local, keeps no pointer and has no error state. All
//! structs are plain limbs for which any bit pattern is valid in memory, and input and output may alias. At
//! each function that takes a length or an array, a comment says why its bounds hold.
//!
//! Invariants: a [`Point`] is on the twist curve or is the point at infinity; whether it lies in G2 depends
//! on its constructor. A [`KeyPoint`] lies in G1. No operation on a [`Point`] outside G2 uses an
//! endomorphism.

#![allow(unsafe_code)]

mod g1;

pub(crate) use g1::{NotePoint, NoteSum};

use blst::{
    BLST_ERROR, blst_final_exp, blst_fp, blst_fp_from_be_bytes, blst_fp_is_square, blst_fp2, blst_fp2_add,
    blst_fp2_cneg, blst_fp2_is_square, blst_fp2_mul, blst_fp2_sqr, blst_fp2_sqrt, blst_fp12,
    blst_fp12_conjugate, blst_fp12_is_one, blst_fp12_mul, blst_fr, blst_fr_eucl_inverse, blst_fr_from_uint64,
    blst_fr_mul, blst_fr_sub, blst_lendian_from_scalar, blst_miller_loop, blst_p1_affine,
    blst_p1_affine_generator, blst_p1_affine_in_g1, blst_p1_uncompress, blst_p2, blst_p2_affine,
    blst_p2_affine_in_g2, blst_p2_compress, blst_p2_from_affine, blst_p2_to_affine, blst_p2_unchecked_mult,
    blst_p2_uncompress, blst_p2s_mult_pippenger, blst_p2s_mult_pippenger_scratch_sizeof, blst_scalar,
    blst_scalar_from_fr,
};

/// An element of the base field Fp.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fp(blst_fp);

impl Fp {
    /// Returns the big-endian number modulo p.
    pub(crate) fn reduce(number: &[u8; 96]) -> Self {
        let mut out = blst_fp::default();
        // SAFETY: see the file's head; the length given is that of the array.
        unsafe { blst_fp_from_be_bytes(&mut out, number.as_ptr(), number.len()) };
        Self(out)
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.0 == blst_fp::default()
    }

    pub(crate) fn is_square(&self) -> bool {
        // SAFETY: see the file's head.
        unsafe { blst_fp_is_square(&self.0) }
    }
}

/// An element of Fp2 = Fp(u), u² = -1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fp2(blst_fp2);

impl Fp2 {
    pub(crate) fn new(c0: Fp, c1: Fp) -> Self {
        Self(blst_fp2 { fp: [c0.0, c1.0] })
    }

    pub(crate) fn c0(&self) -> Fp {
        Fp(self.0.fp[0])
    }

    pub(crate) fn c1(&self) -> Fp {
        Fp(self.0.fp[1])
    }

    pub(crate) fn add(&self, other: &Self) -> Self {
        let mut out = blst_fp2::default();
        // SAFETY: see the file's head.
        unsafe { blst_fp2_add(&mut out, &self.0, &other.0) };
        Self(out)
    }

    pub(crate) fn mul(&self, other: &Self) -> Self {
        let mut out = blst_fp2::default();
        // SAFETY: see the file's head.
        unsafe { blst_fp2_mul(&mut out, &self.0, &other.0) };
        Self(out)
    }

    pub(crate) fn square(&self) -> Self {
        let mut out = blst_fp2::default();
        // SAFETY: see the file's head.
        unsafe { blst_fp2_sqr(&mut out, &self.0) };
        Self(out)
    }

    pub(crate) fn negate(&self) -> Self {
        let mut out = blst_fp2::default();
        // SAFETY: see the file's head.
        unsafe { blst_fp2_cneg(&mut out, &self.0, true) };
        Self(out)
    }

    /// Returns whether there is a root, at a fraction of the cost of computing it.
    pub(crate) fn is_square(&self) -> bool {
        // SAFETY: see the file's head.
        unsafe { blst_fp2_is_square(&self.0) }
    }

    /// Returns one of the two roots, whichever is cheapest.
    pub(crate) fn any_root(&self) -> Option<Self> {
        let mut out = blst_fp2::default();
        // SAFETY: see the file's head.
        let found = unsafe { blst_fp2_sqrt(&mut out, &self.0) };
        found.then_some(Self(out))
    }
}

/// An element of the scalar field, the integers modulo the group order.
#[derive(Clone, Copy)]
pub(crate) struct Fr(blst_fr);

impl Fr {
    pub(crate) fn new(number: u64) -> Self {
        let mut out = blst_fr::default();
        let limbs = [number, 0, 0, 0];
        // SAFETY: see the file's head; the function reads four limbs.
        unsafe { blst_fr_from_uint64(&mut out, limbs.as_ptr()) };
        Self(out)
    }

    pub(crate) fn mul(&self, other: &Self) -> Self {
        let mut out = blst_fr::default();
        // SAFETY: see the file's head.
        unsafe { blst_fr_mul(&mut out, &self.0, &other.0) };
        Self(out)
    }

    pub(crate) fn sub(&self, other: &Self) -> Self {
        let mut out = blst_fr::default();
        // SAFETY: see the file's head.
        unsafe { blst_fr_sub(&mut out, &self.0, &other.0) };
        Self(out)
    }

    /// Returns the inverse; zero for zero.
    pub(crate) fn invert(&self) -> Self {
        let mut out = blst_fr::default();
        // SAFETY: see the file's head.
        unsafe { blst_fr_eucl_inverse(&mut out, &self.0) };
        Self(out)
    }

    pub(crate) fn to_le_bytes(self) -> [u8; 32] {
        let mut scalar = blst_scalar::default();
        let mut bytes = [0; 32];
        // SAFETY: see the file's head; a scalar is written as 32 bytes.
        unsafe {
            blst_scalar_from_fr(&mut scalar, &self.0);
            blst_lendian_from_scalar(bytes.as_mut_ptr(), &scalar);
        }
        bytes
    }
}

/// A point of G1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyPoint(blst_p1_affine);

impl KeyPoint {
    /// Decodes a compressed point; `None` if the bytes are not a point, or it lies outside G1.
    pub(crate) fn decode(bytes: &[u8; 48]) -> Option<Self> {
        let mut out = blst_p1_affine::default();
        // SAFETY: see the file's head; the function reads 48 bytes.
        let error = unsafe { blst_p1_uncompress(&mut out, bytes.as_ptr()) };
        // SAFETY: see the file's head.
        (error == BLST_ERROR::BLST_SUCCESS && unsafe { blst_p1_affine_in_g1(&out) }).then_some(Self(out))
    }

    /// Returns the generator of G1, of which keys are multiples.
    pub(crate) fn generator() -> Self {
        // SAFETY: the pointer is to a constant of the library, never null.
        Self(unsafe { *blst_p1_affine_generator() })
    }

    pub(crate) fn is_identity(&self) -> bool {
        self.0 == blst_p1_affine::default()
    }
}

/// A point of the twist curve over Fp2, in or outside G2.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Point(blst_p2_affine);

impl Point {
    /// Decodes a compressed point of G2; `None` if the bytes are not a point, or it lies outside G2.
    pub(crate) fn decode(bytes: &[u8; 96]) -> Option<Self> {
        let mut out = blst_p2_affine::default();
        // SAFETY: see the file's head; the function reads 96 bytes.
        let error = unsafe { blst_p2_uncompress(&mut out, bytes.as_ptr()) };
        // SAFETY: see the file's head.
        (error == BLST_ERROR::BLST_SUCCESS && unsafe { blst_p2_affine_in_g2(&out) }).then_some(Self(out))
    }

    /// Makes a point from its coordinates, which the caller computed from the curve's equation.
    pub(crate) fn on_curve(x: Fp2, y: Fp2) -> Self {
        Self(blst_p2_affine { x: x.0, y: y.0 })
    }

    pub(crate) fn is_identity(&self) -> bool {
        self.0 == blst_p2_affine::default()
    }

    pub(crate) fn to_sum(self) -> Sum {
        let mut out = blst_p2::default();
        // SAFETY: see the file's head.
        unsafe { blst_p2_from_affine(&mut out, &self.0) };
        Sum(out)
    }
}

/// A point as a sum yields it, not yet divided by its denominator.
#[derive(Clone, Copy)]
pub(crate) struct Sum(blst_p2);

impl Sum {
    /// Computes Σ weights[i] · points[i] for 128-bit little-endian weights; points may lie outside G2.
    pub(crate) fn weighted(points: &[Point], weights: &[[u8; 16]]) -> Self {
        Self::pippenger(points, weights, 128)
    }

    /// Computes Σ scalars[i] · points[i] for little-endian scalars below the group order.
    pub(crate) fn linear(points: &[Point], scalars: &[[u8; 32]]) -> Self {
        Self::pippenger(points, scalars, 255)
    }

    /// Computes a sum with blst's bucket method: only windows, additions and doublings, complete for equal,
    /// opposite and infinite points.
    fn pippenger<const N: usize>(points: &[Point], scalars: &[[u8; N]], bits: usize) -> Self {
        let count = points.len().min(scalars.len());
        let mut out = blst_p2::default();
        if count == 0 || bits > 8 * N {
            return Self(out);
        }
        // A null second entry means to blst that the rest follows the first in memory.
        let points = [points.as_ptr().cast::<blst_p2_affine>(), std::ptr::null()];
        let scalars = [scalars.as_ptr().cast::<u8>(), std::ptr::null()];
        // SAFETY: the first pointer leads to `count` points, because `Point` is a transparent
        // `blst_p2_affine`; the other leads to `count` scalars of N = ceil(bits / 8) bytes. The scratch is as
        // long as blst requires and has the alignment of a limb.
        unsafe {
            let mut scratch = vec![0u64; blst_p2s_mult_pippenger_scratch_sizeof(count).div_ceil(8)];
            blst_p2s_mult_pippenger(
                &mut out,
                points.as_ptr(),
                count,
                scalars.as_ptr(),
                bits,
                scratch.as_mut_ptr(),
            );
        }
        Self(out)
    }

    /// Returns a multiple of any point of the curve, by windowed double-and-add without an endomorphism.
    pub(crate) fn times<const N: usize>(&self, scalar: &[u8; N]) -> Self {
        let mut out = blst_p2::default();
        // SAFETY: see the file's head; exactly 8 · N bits are read.
        unsafe { blst_p2_unchecked_mult(&mut out, &self.0, scalar.as_ptr(), 8 * N) };
        Self(out)
    }

    pub(crate) fn encode(&self) -> [u8; 96] {
        let mut bytes = [0; 96];
        // SAFETY: see the file's head; the function writes 96 bytes.
        unsafe { blst_p2_compress(bytes.as_mut_ptr(), &self.0) };
        bytes
    }

    fn miller_loop(&self, key: &KeyPoint) -> blst_fp12 {
        let mut point = blst_p2_affine::default();
        let mut out = blst_fp12::default();
        // SAFETY: see the file's head. The loop yields one if either point is at infinity.
        unsafe {
            blst_p2_to_affine(&mut point, &self.0);
            blst_miller_loop(&mut out, &point, &key.0);
        }
        out
    }
}

/// An element of the target group of the pairings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pairing(blst_fp12);

impl Pairing {
    /// Computes e(a.0, a.1) / e(b.0, b.1); both sums must lie in G2.
    pub(crate) fn quotient(a: (&KeyPoint, &Sum), b: (&KeyPoint, &Sum)) -> Self {
        let (above, below) = (a.1.miller_loop(a.0), b.1.miller_loop(b.0));
        Self(above).times_conjugate(&Self(below)).raised()
    }

    /// Takes the final power, after which equal pairings are equal elements.
    fn raised(&self) -> Self {
        let mut out = blst_fp12::default();
        // SAFETY: see the file's head.
        unsafe { blst_final_exp(&mut out, &self.0) };
        Self(out)
    }

    /// Computes self / other: in this group the conjugate is the inverse.
    pub(crate) fn divided_by(&self, other: &Self) -> Self {
        self.times_conjugate(other)
    }

    /// Multiplies by the conjugate, which acts as the inverse up to the final power that
    /// [`Pairing::quotient`] takes.
    fn times_conjugate(&self, other: &Self) -> Self {
        let mut conjugate = other.0;
        let mut out = blst_fp12::default();
        // SAFETY: see the file's head.
        unsafe {
            blst_fp12_conjugate(&mut conjugate);
            blst_fp12_mul(&mut out, &self.0, &conjugate);
        }
        Self(out)
    }

    pub(crate) fn is_one(&self) -> bool {
        // SAFETY: see the file's head.
        unsafe { blst_fp12_is_one(&self.0) }
    }
}
