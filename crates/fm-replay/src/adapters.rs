//! The environment of a member: hash, keys, a silent network, and a sink for finalised units.
//!
//! Both libraries require the same under traits of their own; this module implements it once.

/// The parts that are the same for every version of the library.
macro_rules! adapters {
    ($library:ident, $hash:expr) => {
        /// The hash of units.
        #[derive(Clone, Debug, PartialEq, Eq)]
        struct UnitHasher;

        impl $library::Hasher for UnitHasher {
            type Hash = [u8; 32];

            fn hash(bytes: &[u8]) -> Self::Hash {
                $hash.hash(bytes).0
            }
        }

        /// Checks the guardians' signatures, but signs nothing.
        #[derive(Clone)]
        struct Keys {
            guardians: usize,
            keys: Option<std::sync::Arc<fm_crypto::SessionKeys>>,
        }

        impl $library::Index for Keys {
            fn index(&self) -> $library::NodeIndex {
                $library::NodeIndex(0)
            }
        }

        impl $library::Keychain for Keys {
            type Signature = [u8; 64];

            fn node_count(&self) -> $library::NodeCount {
                $library::NodeCount(self.guardians)
            }

            /// Returns zeros: the member never sends what it would sign.
            fn sign(&self, _: &[u8]) -> Self::Signature {
                [0; 64]
            }

            fn verify(&self, data: &[u8], signature: &Self::Signature, by: $library::NodeIndex) -> bool {
                self.keys.as_ref().is_none_or(|keys| {
                    let peer = fm_history::PeerId::try_from(by.0).ok();
                    peer.is_some_and(|peer| keys.verify(peer, &keys.message(data), signature).is_ok())
                })
            }
        }

        impl $library::MultiKeychain for Keys {
            type PartialMultisignature = $library::NodeMap<[u8; 64]>;

            fn bootstrap_multi(
                &self,
                signature: &Self::Signature,
                by: $library::NodeIndex,
            ) -> Self::PartialMultisignature {
                let mut signatures = $library::NodeMap::with_size($library::NodeCount(self.guardians));
                signatures.insert(by, *signature);
                signatures
            }

            /// Returns false: only alerts have multisignatures, and there are no alerts.
            fn is_complete(&self, _: &[u8], _: &Self::PartialMultisignature) -> bool {
                false
            }
        }

        type Message =
            $library::NetworkData<UnitHasher, crate::payload::Payload, [u8; 64], $library::NodeMap<[u8; 64]>>;

        /// A network that delivers one message, and is silent from then on.
        ///
        /// A member continues after loading only when something happens, at the latest with a timer of ten
        /// seconds. The network therefore delivers a unit that the member already has.
        struct Silence(Option<Message>);

        impl Silence {
            fn behind(unit: &[u8]) -> Option<Self> {
                // A message about units: one unit.
                let bytes = [&[0, 0], unit].concat();
                let message = parity_scale_codec::DecodeAll::decode_all(&mut bytes.as_slice()).ok()?;
                Some(Self(Some(message)))
            }
        }

        #[async_trait::async_trait]
        impl $library::Network<Message> for Silence {
            fn send(&self, _: Message, _: $library::Recipient) {}

            async fn next_event(&mut self) -> Option<Message> {
                match self.0.take() {
                    None => futures::future::pending().await,
                    message => message,
                }
            }
        }

        /// A data provider without data to propose.
        struct NoData;

        #[async_trait::async_trait]
        impl $library::DataProvider<crate::payload::Payload> for NoData {
            async fn get_data(&mut self) -> Option<crate::payload::Payload> {
                None
            }
        }

        #[derive(Clone)]
        struct Spawner(crate::executor::Tasks);

        impl $library::SpawnHandle for Spawner {
            fn spawn(&self, _: &'static str, task: impl Future<Output = ()> + Send + 'static) {
                self.0.push(task);
            }

            fn spawn_essential(
                &self,
                _: &'static str,
                task: impl Future<Output = ()> + Send + 'static,
            ) -> $library::TaskHandle {
                self.0.push_essential(task)
            }
        }

        /// The units that are finalised so far.
        #[derive(Clone, Default)]
        struct Order(std::sync::Arc<std::sync::Mutex<Vec<crate::Finalized>>>);

        impl Order {
            fn push(&self, unit: crate::Finalized) {
                self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(unit);
            }

            fn take(&self) -> Vec<crate::Finalized> {
                std::mem::take(&mut *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
            }
        }

        /// Runs a member on a backup until it can do no more; returns the finalised units, in order.
        pub(crate) fn run(member: crate::Member) -> Option<Vec<crate::Finalized>> {
            let (nodes, index) = ($library::NodeCount(member.guardians), $library::NodeIndex(0));
            let mut delays = $library::default_delay_config();
            // Never reached: a member makes no unit before it knows its newest one.
            delays.unit_creation_delay = std::sync::Arc::new(|_| std::time::Duration::from_secs(3600));
            let (first, most) = (std::time::Duration::ZERO, $library::Round::MAX);
            let config = $library::create_config(nodes, index, member.session, most, delays, first).ok()?;
            let (order, tasks) = (Order::default(), crate::executor::Tasks::default());
            let network = Silence::behind(&member.first)?;
            let io = local_io(order.clone(), member.stream);
            let keys = Keys { guardians: member.guardians, keys: member.keys.map(std::sync::Arc::new) };
            let (exit, exited) = futures::channel::oneshot::channel();
            let terminator = Terminator::create_root(exited, "replay");
            let spawner = Spawner(tasks.clone());
            let session = $library::run_session::<UnitHasher, _, _, _, _, _, _, _, _>;
            let over = tasks.push_essential(session(config, io, network, keys, spawner, terminator));
            tasks.run();
            drop(exit);
            // A member runs until it is stopped; a member that ended has refused its backup.
            matches!(futures::FutureExt::now_or_never(over), Some(Err(())) | None).then(|| order.take())
        }
    };
}

pub(crate) use adapters;
