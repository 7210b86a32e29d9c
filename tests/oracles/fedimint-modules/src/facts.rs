//! What follows from a payload, computed by both sides: ids of contracts and transactions, fees, addresses.

use core_0_13::encoding::Decodable;
use fm_codec::{Dialect, Encode};
use fm_modules::{Input, Output, wallet, walletv2};
#[cfg(feature = "lightning")]
use fm_modules::{ln, lnv2};

fn theirs<T: Decodable>(ours: &impl Encode) -> T {
    T::consensus_decode_whole(&ours.to_bytes(Dialect::MODERN), &Default::default())
        .unwrap_or_else(|_| panic!("upstream refuses what it accepted before"))
}

/// Compares what follows from an input. Returns how many facts were compared.
pub fn of_input(input: &Input) -> usize {
    let Input::Wallet(wallet::Input::V0(ours)) = input else { return 0 };
    let their: wallet_0_13::txoproof::PegInProof = theirs(ours);
    let outpoint = their.outpoint();
    assert_eq!(ours.outpoint().to_string(), outpoint.to_string());
    assert_eq!(ours.proof.block().to_string(), their.proof_block().to_string());
    let output = ours.output().expect("it was decoded");
    assert_eq!(output.value.0, their.tx_output().value.to_sat());
    assert_eq!(output.script.0, their.tx_output().script_pubkey.to_bytes());
    4
}

/// Compares what follows from an output. Returns how many facts were compared.
pub fn of_output(output: &Output) -> usize {
    match output {
        Output::Wallet(wallet::Output::V0(wallet::OutputV0::PegOut(ours))) => {
            let their: wallet_0_13::PegOut = theirs(ours);
            let rate = their.fees.fee_rate;
            let checked = rate.checked_calculate_fee(their.fees.total_weight).map(|fee| fee.to_sat());
            assert_eq!(ours.fees.amount().map(|fee| fee.0), checked);
            let wrapped = rate.wrapping_calculate_fee(their.fees.total_weight).to_sat();
            assert_eq!(ours.fees.wrapped_amount().0, wrapped);
            assert_eq!(ours.recipient.address(), Some(their.recipient.assume_checked().to_string()));
            3
        }
        Output::WalletV2(walletv2::Output::V0(ours)) => {
            let their: walletv2_0_13::StandardScript = theirs(&ours.destination);
            let script = their.script_pubkey().map(|script| script.to_bytes());
            assert_eq!(ours.destination.script().map(|script| script.0), script);
            1
        }
        #[cfg(feature = "lightning")]
        Output::Ln(ln::Output::V0(ln::OutputV0::Contract(ours))) => {
            use ln_0_13::contracts::IdentifiableContract;
            let their: ln_0_13::contracts::Contract = theirs(&ours.contract);
            assert_eq!(ours.contract.id().to_string(), their.contract_id().to_string());
            1
        }
        #[cfg(feature = "lightning")]
        Output::LnV2(lnv2::Output::V0(lnv2::OutputV0::Outgoing(ours))) => {
            let their: lnv2_0_13::contracts::OutgoingContract = theirs(ours);
            assert_eq!(ours.id().to_string(), their.contract_id().0.to_string());
            1
        }
        #[cfg(feature = "lightning")]
        Output::LnV2(lnv2::Output::V0(lnv2::OutputV0::Incoming(ours))) => {
            let their: lnv2_0_13::contracts::IncomingContract = theirs(ours);
            assert_eq!(ours.id().to_string(), their.contract_id().0.to_string());
            1
        }
        _ => 0,
    }
}
