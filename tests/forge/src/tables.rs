//! The rows of all tables except the history.

use fm_codec::Writer;
use fm_eras::hbbft::{LAST_EPOCH_KEY, Table, TableSet};
use fm_store::{StoreError, StoreWriter};

use crate::keys::{Keys, Message};
use crate::random::Random;
use crate::spec::ForgeSpec;

/// The number of clients with a backup.
const BACKUPS: usize = 3;

/// Writes every table but the history and the indexes that follow from it.
pub(crate) fn write_tables(
    spec: &ForgeSpec,
    keys: &Keys,
    writer: &mut StoreWriter,
    random: &mut Random,
) -> Result<(), StoreError> {
    let mut put = |table: Table, key: &[u8], value: &dyn Fn(&mut Writer)| {
        let mut row_key = vec![table.prefix()];
        row_key.extend_from_slice(key);
        let mut row_value = Writer::new(spec.layout.dialect);
        value(&mut row_value);
        writer.put(&row_key, row_value.as_bytes())
    };
    let number = |number: u64| move |writer: &mut Writer| writer.u64(number);
    let integer = |value: u16| {
        let mut writer = Writer::new(spec.layout.dialect);
        writer.u16(value);
        writer.into_bytes()
    };
    put(Table::LastEpoch, &LAST_EPOCH_KEY[1..], &number(spec.epochs - 1))?;
    put(Table::DatabaseVersion, &[], &number(0))?;
    put(Table::ClientConfigDownload, &random.array::<12>(), &number(3))?;
    let config = Message::new(b"the client config");
    let signature = keys.auth.sign(config);
    put(Table::ClientConfigSignature, &[], &|writer| writer.raw(&signature))?;
    let peers: Vec<u16> = (0..spec.guardians.div_ceil(2)).collect();
    put(Table::ConsensusUpgrade, &[], &|writer| {
        writer.list(peers.iter(), |writer, peer| writer.u16(*peer));
    })?;
    for _ in 0..BACKUPS {
        let length = random.below(200);
        let backup = random.bytes(length);
        put(Table::ClientBackup, &random.array::<32>(), &|writer| {
            writer.u64(1_690_000_000);
            writer.u32(999_999_999);
            writer.bytes(&backup);
        })?;
    }
    match spec.layout.tables {
        TableSet::V0_1 => {
            let share = keys.auth.share(0, config);
            put(Table::ClientConfigSignatureShare, &integer(0), &|writer| writer.raw(&share))?;
        }
        TableSet::Early => put(Table::DropPeer, &integer(spec.guardians), &|_| {})?,
    }
    for module in &spec.modules {
        let space = integer(*module);
        let version = [space.as_slice(), &[Table::DatabaseVersion.prefix()]].concat();
        put(Table::ModuleData, &version, &number(0))?;
        for row in 0..spec.module_rows {
            // A module's own tables have a first byte below that of its version.
            let key = [space.as_slice(), &[random.array::<1>()[0] % 0x50], &row.to_be_bytes()].concat();
            let length = random.below(100);
            let value = random.bytes(length);
            put(Table::ModuleData, &key, &|writer| writer.raw(&value))?;
        }
    }
    Ok(())
}
