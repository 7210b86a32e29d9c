//! The bitcoin backend of a federation without a wallet: it exists, and nobody asks it for a block.

use anyhow::{Result, bail};
use async_trait::async_trait;
use fedimint_core::bitcoin::hashes::Hash as _;
use fedimint_core::bitcoin::{Block, BlockHash, Transaction};
use fedimint_core::envs::BitcoinRpcConfig;
use fedimint_core::util::SafeUrl;
use fedimint_core::{ChainId, Feerate};
use fedimint_server::core::bitcoin_rpc::IServerBitcoinRpc;

/// A chain of two blocks.
#[derive(Debug)]
pub(crate) struct NoBlocks;

const BLOCKS: u64 = 2;

#[async_trait]
impl IServerBitcoinRpc for NoBlocks {
    fn get_bitcoin_rpc_config(&self) -> BitcoinRpcConfig {
        BitcoinRpcConfig { kind: "none".to_owned(), url: self.get_url() }
    }

    fn get_url(&self) -> SafeUrl {
        SafeUrl::parse("http://127.0.0.1:1").expect("a constant address")
    }

    async fn get_block_count(&self) -> Result<u64> {
        Ok(BLOCKS)
    }

    async fn get_block_hash(&self, height: u64) -> Result<BlockHash> {
        Ok(BlockHash::hash(&height.to_be_bytes()))
    }

    async fn get_block(&self, _: &BlockHash) -> Result<Block> {
        bail!("there are no blocks")
    }

    async fn get_feerate(&self) -> Result<Option<Feerate>> {
        Ok(None)
    }

    async fn submit_transaction(&self, _: Transaction) -> Result<()> {
        bail!("nobody takes transactions")
    }

    async fn get_sync_progress(&self) -> Result<Option<f64>> {
        Ok(None)
    }

    async fn get_chain_id(&self) -> Result<ChainId> {
        self.get_block_hash(1).await.map(ChainId::new)
    }
}
