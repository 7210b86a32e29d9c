//! The curve over Fp, on which the signatures of notes lie. Why every call is sound is said in the file above.

use blst::{
    BLST_ERROR, blst_fp, blst_fp_add, blst_fp_cneg, blst_fp_mul, blst_fp_sqr, blst_fp_sqrt, blst_fp12,
    blst_miller_loop, blst_p1, blst_p1_affine, blst_p1_affine_in_g1, blst_p1_from_affine, blst_p1_to_affine,
    blst_p1_unchecked_mult, blst_p1_uncompress, blst_p1s_mult_pippenger,
    blst_p1s_mult_pippenger_scratch_sizeof, blst_p2_affine, blst_p2_affine_generator,
};

use super::{Fp, Pairing, Point};

impl Fp {
    pub(crate) fn add(&self, other: &Self) -> Self {
        let mut out = blst_fp::default();
        // SAFETY: see the head of the file above.
        unsafe { blst_fp_add(&mut out, &self.0, &other.0) };
        Self(out)
    }

    pub(crate) fn mul(&self, other: &Self) -> Self {
        let mut out = blst_fp::default();
        // SAFETY: see the head of the file above.
        unsafe { blst_fp_mul(&mut out, &self.0, &other.0) };
        Self(out)
    }

    pub(crate) fn square(&self) -> Self {
        let mut out = blst_fp::default();
        // SAFETY: see the head of the file above.
        unsafe { blst_fp_sqr(&mut out, &self.0) };
        Self(out)
    }

    pub(crate) fn negate(&self) -> Self {
        let mut out = blst_fp::default();
        // SAFETY: see the head of the file above.
        unsafe { blst_fp_cneg(&mut out, &self.0, true) };
        Self(out)
    }

    /// Returns the root that is the power (p + 1) / 4; `None` if there is no root.
    pub(crate) fn root(&self) -> Option<Self> {
        let mut out = blst_fp::default();
        // SAFETY: see the head of the file above.
        unsafe { blst_fp_sqrt(&mut out, &self.0) }.then_some(Self(out))
    }
}

impl Point {
    /// Returns the generator of G2.
    pub(crate) fn generator() -> Self {
        // SAFETY: the pointer is to a constant of the library, never null.
        Self(unsafe { *blst_p2_affine_generator() })
    }
}

/// A point of the curve over Fp, in or outside G1.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct NotePoint(blst_p1_affine);

impl NotePoint {
    /// Decodes a compressed point of G1; `None` if the bytes are not a point, or it lies outside G1.
    pub(crate) fn decode(bytes: &[u8; 48]) -> Option<Self> {
        let mut out = blst_p1_affine::default();
        // SAFETY: see the head of the file above; the function reads 48 bytes.
        let error = unsafe { blst_p1_uncompress(&mut out, bytes.as_ptr()) };
        // SAFETY: see the head of the file above.
        (error == BLST_ERROR::BLST_SUCCESS && unsafe { blst_p1_affine_in_g1(&out) }).then_some(Self(out))
    }

    /// Makes a point from its coordinates, which the caller computed from the curve's equation.
    pub(crate) fn on_curve(x: Fp, y: Fp) -> Self {
        Self(blst_p1_affine { x: x.0, y: y.0 })
    }

    pub(crate) fn to_sum(self) -> NoteSum {
        let mut out = blst_p1::default();
        // SAFETY: see the head of the file above.
        unsafe { blst_p1_from_affine(&mut out, &self.0) };
        NoteSum(out)
    }
}

/// A point as a sum yields it, not yet divided by its denominator.
#[derive(Clone, Copy)]
pub(crate) struct NoteSum(blst_p1);

impl NoteSum {
    /// Computes Σ weights[i] · points[i] for 128-bit little-endian weights; points may lie outside G1.
    pub(crate) fn weighted(points: &[NotePoint], weights: &[[u8; 16]]) -> Self {
        let count = points.len().min(weights.len());
        let mut out = blst_p1::default();
        if count == 0 {
            return Self(out);
        }
        // A null second entry means to blst that the rest follows the first in memory.
        let points = [points.as_ptr().cast::<blst_p1_affine>(), std::ptr::null()];
        let scalars = [weights.as_ptr().cast::<u8>(), std::ptr::null()];
        // SAFETY: the first pointer leads to `count` points, because `NotePoint` is a transparent
        // `blst_p1_affine`; the other leads to `count` scalars of 16 bytes, which are 128 bits. The scratch is as long
        // as blst requires and has the alignment of a limb.
        unsafe {
            let mut scratch = vec![0u64; blst_p1s_mult_pippenger_scratch_sizeof(count).div_ceil(8)];
            blst_p1s_mult_pippenger(
                &mut out,
                points.as_ptr(),
                count,
                scalars.as_ptr(),
                128,
                scratch.as_mut_ptr(),
            );
        }
        Self(out)
    }

    /// Returns a multiple of any point of the curve, by windowed double-and-add without an endomorphism.
    pub(crate) fn times<const N: usize>(&self, scalar: &[u8; N]) -> Self {
        let mut out = blst_p1::default();
        // SAFETY: see the head of the file above; exactly 8 · N bits are read.
        unsafe { blst_p1_unchecked_mult(&mut out, &self.0, scalar.as_ptr(), 8 * N) };
        Self(out)
    }

    fn miller_loop(&self, key: &Point) -> blst_fp12 {
        let mut point = blst_p1_affine::default();
        let mut out = blst_fp12::default();
        let key: &blst_p2_affine = &key.0;
        // SAFETY: see the head of the file above. The loop yields one if either point is at infinity.
        unsafe {
            blst_p1_to_affine(&mut point, &self.0);
            blst_miller_loop(&mut out, key, &point);
        }
        out
    }
}

impl Pairing {
    /// Returns whether e(a.0, a.1) = e(b.0, b.1); all points must lie in their groups.
    pub(crate) fn are_equal(a: (&NoteSum, &Point), b: (&NoteSum, &Point)) -> bool {
        let (above, below) = (Self(a.0.miller_loop(a.1)), Self(b.0.miller_loop(b.1)));
        above.times_conjugate(&below).raised().is_one()
    }
}
