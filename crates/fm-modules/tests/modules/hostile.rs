//! Bad input: what guardians refuse is refused here, with its reason and place.

use fm_codec::{Dialect, Writer};
use fm_modules::bitcoin::{Network, Script};
use fm_modules::{Input, Item, Kind, Msat, Outcome, Output, Part, Stated, wallet};

use crate::made::Made;
use crate::properties::numbers;

/// Generator of secp256k1, compressed.
const KEY: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
/// Infinity of G1 and G2, compressed.
const G1: &str =
    "c00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";
const G2: &str = "c00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\
                  000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";
const HASH: &str = "1111111111111111111111111111111111111111111111111111111111111111";

fn refusal(kind: &Kind, part: Part, bytes: &[u8]) -> Option<String> {
    let error = match part {
        Part::Input => Input::decode(kind, bytes).err(),
        Part::Output => Output::decode(kind, bytes).err(),
        Part::Item => Item::decode(kind, bytes).err(),
        Part::Outcome => Outcome::decode(kind, bytes).err(),
    };
    error.map(|error| error.to_string())
}

/// Puts a variant's number and length before a body.
fn variant(number: u8, body: &str) -> String {
    let body = body.replace(' ', "");
    let mut writer = Writer::new(Dialect::MODERN);
    writer.variant(number.into(), |writer| writer.raw(&hex::decode(&body).unwrap()));
    hex::encode(writer.as_bytes())
}

fn assert_refused(kind: &Kind, part: Part, hex: &str, reason: &str) {
    let bytes = hex::decode(hex.replace(' ', "")).unwrap();
    assert_eq!(refusal(kind, part, &bytes).as_deref(), Some(reason), "{kind} {part} {hex}");
}

#[test]
fn the_parts_of_these_tests_are_accepted() {
    let note = variant(0, &format!("64 {KEY} {G1}"));
    assert_eq!(refusal(&Kind::Mint, Part::Input, &hex::decode(note).unwrap()), None);
    let ciphertext = format!("90 {G1} {}", G2.replace(' ', ""));
    let offer = variant(0, &variant(1, &format!("64 {HASH} {ciphertext} 00")));
    assert_eq!(refusal(&Kind::Ln, Part::Output, &hex::decode(offer).unwrap()), None);
}

#[test]
fn keys_and_points_that_are_none_are_refused() {
    // 5 is no x coordinate of secp256k1; 07 is no parity; 04 is an uncompressed key.
    let not_on_curve = format!("02{:0>64}", "5");
    for key in [&not_on_curve, &KEY.replacen("02", "07", 1), &KEY.replacen("02", "04", 1), &"00".repeat(33)] {
        let note = variant(0, &format!("64 {key} {G1}"));
        assert_refused(&Kind::Mint, Part::Input, &note, "at byte 3: not a public key");
        let receive = variant(0, &format!("00 {key} 00"));
        assert_refused(&Kind::WalletV2, Part::Input, &receive, "at byte 3: not a public key");
        assert_refused(&Kind::Dummy, Part::Input, &format!("64 {key}"), "at byte 1: not a public key");
    }
    let outside = [
        // Not compressed.
        G1.replacen('c', "4", 1),
        // Infinity with a sign, and with a coordinate.
        G1.replacen('c', "e", 1),
        format!("{}01", &G1[..94]),
        // x = 1 is not on the curve; x = 4 is, but in no subgroup of the right order.
        format!("80{:0>94}", "1"),
        format!("80{:0>94}", "4"),
        // x is the field's modulus.
        "9a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab"
            .into(),
        "00".repeat(48),
        "ff".repeat(48),
    ];
    for point in &outside {
        let note = variant(0, &format!("64 {KEY} {point}"));
        assert_refused(&Kind::Mint, Part::Input, &note, "at byte 36: not a point of G1");
        assert_refused(
            &Kind::Mint,
            Part::Output,
            &variant(0, &format!("64 {point}")),
            "at byte 3: not a point of G1",
        );
        assert_refused(&Kind::Mint, Part::Outcome, &variant(0, point), "at byte 2: not a point of G1");
        let note = variant(0, &format!("05 {KEY} {point}"));
        assert_refused(&Kind::MintV2, Part::Input, &note, "at byte 36: not a point of G1");
        let share = variant(0, &format!("{HASH} {point}"));
        assert_refused(&Kind::Ln, Part::Item, &share, "at byte 34: not a point of G1");
        let ciphertext = format!("90 {point} {}", G2.replace(' ', ""));
        let offer = variant(0, &variant(1, &format!("64 {HASH} {ciphertext} 00")));
        assert_refused(&Kind::Ln, Part::Output, &offer, "at byte 38: not a point of G1");
    }
    let ciphertext = format!("90 {G1} {}", "ff".repeat(96));
    let offer = variant(0, &variant(1, &format!("64 {HASH} {ciphertext} 00")));
    assert_refused(&Kind::Ln, Part::Output, &offer, "at byte 86: not a point of G2");
    let send = variant(0, &format!("{} 64 64", variant(4, &"ff".repeat(32))));
    assert_refused(&Kind::WalletV2, Part::Output, &send, "at byte 4: not the x coordinate of a public key");
}

#[test]
fn numbers_of_signatures_are_below_the_order() {
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    let below = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140";
    for (kind, number) in [(Kind::Wallet, 2), (Kind::WalletV2, 2)] {
        let item = |r: &str, s: &str| variant(number, &format!("{HASH} 01 {r} {s}"));
        assert_refused(&kind, Part::Item, &item(order, below), "at byte 35: not an ECDSA signature");
        assert_refused(&kind, Part::Item, &item(below, order), "at byte 35: not an ECDSA signature");
        assert_eq!(refusal(&kind, Part::Item, &hex::decode(item(below, below)).unwrap()), None);
        assert_eq!(refusal(&kind, Part::Item, &hex::decode(item(HASH, &"00".repeat(32))).unwrap()), None);
    }
}

/// A count is checked against the bytes that are left before anything is allocated.
#[test]
fn a_billion_declared_elements_cost_nothing() {
    let billion = "fe3b9aca00";
    let beyond =
        |at, left| format!("at byte {at}: length 1000000000 is beyond the {left} bytes that are left");
    let item = variant(2, &format!("{HASH} {billion}"));
    assert_refused(&Kind::Wallet, Part::Item, &item, &beyond(34, 0));
    assert_refused(&Kind::WalletV2, Part::Item, &item, &beyond(34, 0));
    assert_refused(&Kind::Meta, Part::Item, &format!("00 00 {billion} 00"), &beyond(2, 1));
    assert_refused(&Kind::Mint, Part::Input, &format!("00 {billion} 00"), &beyond(1, 1));
    assert_refused(&Kind::Mint, Part::Item, &format!("07 {billion} 00"), &beyond(1, 1));
    let offer = variant(0, &variant(1, &format!("64 {HASH} {billion} 00")));
    assert_refused(&Kind::Ln, Part::Output, &offer, &beyond(37, 1));
    // Bitcoin's counts are little endian.
    let billion = "fe00ca9a3b";
    let proof = |rest: &str| variant(0, &format!("{} 01000000 {rest}", "00".repeat(80)));
    assert_refused(&Kind::Wallet, Part::Input, &proof(billion), &beyond(86, 0));
    assert_refused(&Kind::Wallet, Part::Input, &proof(&format!("01 {HASH} {billion}")), &beyond(119, 0));
    let peg_in = variant(1, &format!("{HASH} 00000000 {KEY} 0000000000000000 {billion}"));
    assert_refused(&Kind::Wallet, Part::Input, &peg_in, &beyond(79, 0));
}

#[test]
fn lengths_have_one_form() {
    let long = |at, value| format!("at byte {at}: integer {value} is not in its shortest form");
    assert_refused(&Kind::Mint, Part::Input, "fd0000 00", &long(0, 0));
    assert_refused(&Kind::LnV2, Part::Item, "00 03 fd00c8", &long(2, 200));
    let peg_in = variant(1, &format!("{HASH} 00000000 {KEY} 0000000000000000 fd0000"));
    assert_refused(&Kind::Wallet, Part::Input, &peg_in, &long(79, 0));
    let trailing = variant(0, &format!("64 {KEY} {G1} 00"));
    assert_refused(
        &Kind::Mint,
        Part::Input,
        &trailing,
        "at byte 84: 1 bytes follow the last field of the body",
    );
    let note = variant(0, &format!("64 {KEY} {G1}"));
    assert_refused(
        &Kind::Mint,
        Part::Input,
        &format!("{note}00"),
        "at byte 84: 1 bytes follow the end of the value",
    );
}

#[test]
fn variants_of_closed_enums_are_refused() {
    let of = |at, what, variant| format!("at byte {at}: unknown variant {variant} of {what}");
    assert_refused(&Kind::Wallet, Part::Output, &variant(0, &variant(2, "")), &of(2, "withdrawal", 2));
    assert_refused(&Kind::Ln, Part::Output, &variant(0, &variant(3, "")), &of(2, "output of ln", 3));
    assert_refused(&Kind::LnV2, Part::Input, &variant(0, &variant(2, "")), &of(2, "input of lnv2", 2));
    let witness = variant(0, &variant(0, &format!("{HASH} 00 {}", variant(3, ""))));
    assert_refused(&Kind::LnV2, Part::Input, &witness, &of(37, "witness", 3));
    let flag = variant(0, &format!("{HASH} 64 02"));
    assert_refused(&Kind::Ln, Part::Input, &flag, "at byte 35: flag byte 2 is neither 0 nor 1");
    // An open enum keeps what it does not know.
    for (kind, number) in [(Kind::Mint, 1), (Kind::Wallet, 2), (Kind::LnV2, 9)] {
        let unknown = hex::decode(variant(number, "abcd")).unwrap();
        let input = Input::decode(&kind, &unknown).unwrap();
        let found = input.unknown_variant().unwrap();
        assert_eq!((found.variant, found.bytes.as_slice()), (number.into(), &[0xAB, 0xCD][..]));
        assert_eq!((input.to_bytes(), input.amount()), (unknown, Stated::Nothing));
    }
}

#[test]
fn recipients_have_a_network_and_an_address() {
    let output = |recipient: &str| variant(0, &variant(0, &format!("{recipient} 64 64 64")));
    // 00 and a program of 20 bytes, on regtest.
    let good = format!("fedab5bffa 16 0014 {}", "11".repeat(20));
    assert_eq!(refusal(&Kind::Wallet, Part::Output, &hex::decode(output(&good)).unwrap()), None);
    for (recipient, reason) in [
        (format!("fedab5bffb 16 0014 {}", "11".repeat(20)), "at byte 4: not the number of a network"),
        (format!("00 16 0014 {}", "11".repeat(20)), "at byte 4: not the number of a network"),
        ("fedab5bffa 00".into(), "at byte 4: not a script that has an address"),
        (format!("fedab5bffa 15 0013 {}", "11".repeat(19)), "at byte 4: not a script that has an address"),
        (format!("fedab5bffa 22 6120 {}", "11".repeat(32)), "at byte 4: not a script that has an address"),
        ("fedab5bffa 02 6a00".into(), "at byte 4: not a script that has an address"),
    ] {
        assert_refused(&Kind::Wallet, Part::Output, &output(&recipient), reason);
    }
}

/// Every change of a proof that upstream would notice is noticed.
#[test]
fn proofs_of_deposits_are_verified() {
    let mut next = numbers(7);
    let mut made = Made { next: &mut next };
    let decode = |proof: wallet::PegInProof| {
        let bytes = Input::Wallet(wallet::Input::V0(proof)).to_bytes();
        refusal(&Kind::Wallet, Part::Input, &bytes)
    };
    let refused = |what: &str| Some(format!("not {what}"));
    let reason = |refusal: Option<String>| refusal.map(|text| text.split_once(": ").unwrap().1.to_owned());
    for _ in 0..200 {
        let good = made.peg_in_proof();
        assert_eq!(decode(good.clone()), None);
        assert!(good.proof.contains(good.transaction.txid()));

        let mut other_root = good.clone();
        other_root.proof.header[36 + made.below(32)] ^= 1;
        assert_eq!(reason(decode(other_root)), refused("a proof of its block"));

        let mut other_transaction = good.clone();
        other_transaction.transaction.lock_time ^= 1;
        assert_eq!(reason(decode(other_transaction)), refused("a proof of the deposit's transaction"));

        let mut no_output = good.clone();
        no_output.output_index = no_output.transaction.outputs.len() as u32;
        assert_eq!(
            reason(decode(no_output)),
            refused("the number of an output of the deposit's transaction")
        );

        for change in [
            |proof: &mut wallet::PegInProof| proof.proof.tree.transactions = 0,
            |proof: &mut wallet::PegInProof| proof.proof.tree.transactions = 16_667,
            |proof: &mut wallet::PegInProof| proof.proof.tree.transactions = u32::MAX,
            |proof: &mut wallet::PegInProof| proof.proof.tree.flags.push(0),
            |proof: &mut wallet::PegInProof| proof.proof.tree.flags.clear(),
            |proof: &mut wallet::PegInProof| proof.proof.tree.hashes.clear(),
            |proof: &mut wallet::PegInProof| {
                let hash = proof.proof.tree.hashes[0];
                proof.proof.tree.hashes.push(hash);
            },
        ] {
            let mut changed = good.clone();
            change(&mut changed);
            assert_eq!(reason(decode(changed)), refused("a proof of its block"));
        }
    }
}

#[test]
fn amounts_that_overflow_are_no_amounts() {
    let output = |amount: u64, rate: u64, weight: u64| {
        let fees = wallet::PegOutFees { sats_per_kvb: rate, weight };
        let recipient =
            wallet::Recipient { network: Network::Regtest, script: Script::of_script_hash(&[1; 20]) };
        let peg_out = wallet::PegOut { recipient, amount: fm_modules::Sat(amount), fees };
        Output::Wallet(wallet::Output::V0(wallet::OutputV0::PegOut(peg_out))).amount()
    };
    assert_eq!(output(100, 1000, 400), Stated::Amount(Msat(200_000)));
    assert_eq!(output(u64::MAX, 1000, 400), Stated::TooLarge);
    assert_eq!(output(u64::MAX / 1000, 1000, 400), Stated::TooLarge);
    assert_eq!(output(0, u64::MAX, u64::MAX), Stated::TooLarge);
    let fees = wallet::PegOutFees { sats_per_kvb: u64::MAX, weight: 8 };
    assert_eq!((fees.amount(), fees.wrapped_amount().0), (None, (u64::MAX - 1) / 1000));
    // 2^64 millisatoshi do not fit.
    let note = |exponent: u8| {
        let hex = variant(0, &format!("{exponent:02x} {KEY} {G1}"));
        Input::decode(&Kind::MintV2, &hex::decode(hex).unwrap()).unwrap().amount()
    };
    assert_eq!(note(63), Stated::Amount(Msat(1 << 63)));
    assert_eq!((note(64), note(255)), (Stated::TooLarge, Stated::TooLarge));
    assert_eq!(Msat::sum([Msat(u64::MAX), Msat(1)]), None);
}
