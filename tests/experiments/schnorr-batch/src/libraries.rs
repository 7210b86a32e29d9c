//! The same sum by the multi-scalar multiplications of other libraries.

use ark_ec::{CurveGroup, VariableBaseMSM};
use ark_ff::{BigInteger, PrimeField};
use halo2curves::CurveAffine;
use halo2curves::ff::PrimeField as _;
use halo2curves::group::Curve;
use k256::elliptic_curve::ops::{LinearCombinationExt, Reduce};
use k256::elliptic_curve::sec1::{FromEncodedPoint, ToEncodedPoint};
use secp256k1::PublicKey;

fn coordinates(point: &PublicKey) -> ([u8; 32], [u8; 32]) {
    let bytes = point.serialize_uncompressed();
    (bytes[1..33].try_into().expect("32 bytes"), bytes[33..].try_into().expect("32 bytes"))
}

fn point(x: &[u8], y: &[u8]) -> Option<PublicKey> {
    let mut bytes = [4; 65];
    bytes[1..33].copy_from_slice(x);
    bytes[33..].copy_from_slice(y);
    PublicKey::from_byte_array_uncompressed(bytes).ok()
}

pub fn ark(points: &[PublicKey], weights: &[u128]) -> Option<PublicKey> {
    use ark_secp256k1::{Affine, Fq, Projective};
    let bases: Vec<Affine> = points
        .iter()
        .map(|point| {
            let (x, y) = coordinates(point);
            Affine::new_unchecked(Fq::from_be_bytes_mod_order(&x), Fq::from_be_bytes_mod_order(&y))
        })
        .collect();
    let scalars: Vec<_> =
        weights.iter().map(|weight| ark_secp256k1::Fr::from(*weight).into_bigint()).collect();
    let sum = Projective::msm_bigint(&bases, &scalars).into_affine();
    point(&sum.x.into_bigint().to_bytes_be(), &sum.y.into_bigint().to_bytes_be())
}

pub fn halo2(points: &[PublicKey], weights: &[u128]) -> Option<PublicKey> {
    use halo2curves::secp256k1::{Fp, Fq, Secp256k1, Secp256k1Affine};
    let field = |mut bytes: [u8; 32]| {
        bytes.reverse();
        let mut repr = <Fp as halo2curves::ff::PrimeField>::Repr::default();
        repr.as_mut().copy_from_slice(&bytes);
        Option::<Fp>::from(Fp::from_repr(repr))
    };
    let bases: Vec<Secp256k1Affine> = points
        .iter()
        .map(|point| {
            let (x, y) = coordinates(point);
            Option::from(Secp256k1Affine::from_xy(field(x)?, field(y)?))
        })
        .collect::<Option<_>>()?;
    let scalars: Vec<Fq> = weights.iter().map(|weight| Fq::from_u128(*weight)).collect();
    let mut sum = Secp256k1::default();
    halo2curves::msm::msm_serial(&scalars, &bases, &mut sum);
    let sum = sum.to_affine();
    let bytes = |field: Fp| {
        let mut bytes = field.to_repr().as_ref().to_vec();
        bytes.reverse();
        bytes
    };
    point(&bytes(sum.x), &bytes(sum.y))
}

fn of_k256(point: &PublicKey) -> Option<k256::ProjectivePoint> {
    let bytes = point.serialize_uncompressed();
    let encoded = k256::EncodedPoint::from_bytes(bytes).ok()?;
    Option::<k256::AffinePoint>::from(k256::AffinePoint::from_encoded_point(&encoded)).map(Into::into)
}

fn pairs(points: &[PublicKey], weights: &[u128]) -> Option<Vec<(k256::Scalar, k256::ProjectivePoint)>> {
    let scalar = |weight: u128| <k256::Scalar as Reduce<k256::U256>>::reduce(k256::U256::from_u128(weight));
    points.iter().zip(weights).map(|(point, weight)| Some((scalar(*weight), of_k256(point)?))).collect()
}

fn from_k256(sum: k256::ProjectivePoint) -> Option<PublicKey> {
    let encoded = sum.to_affine().to_encoded_point(false);
    point(encoded.x()?, encoded.y()?)
}

pub fn multiexp(points: &[PublicKey], weights: &[u128]) -> Option<PublicKey> {
    from_k256(multiexp::multiexp_vartime(&pairs(points, weights)?))
}

pub fn lincomb(points: &[PublicKey], weights: &[u128]) -> Option<PublicKey> {
    let pairs: Vec<_> = pairs(points, weights)?.into_iter().map(|(scalar, point)| (point, scalar)).collect();
    from_k256(k256::ProjectivePoint::lincomb_ext(pairs.as_slice()))
}
