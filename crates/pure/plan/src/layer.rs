//! The boundary layers by name. The names are public: `doctor`, `--accept-risk without-NAME`, the range
//! and the ledger all use them.

use serde::{Deserialize, Serialize};

/// One boundary layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Layer {
    /// The agent's own user namespace: no capability in the host's.
    UserNamespace,
    /// A kernel uid that owns nothing else on the host.
    HostUid,
    /// A root holding only what the policy names; everything else absent.
    PrivateRoot,
    /// Trees that a user can write come in through an overlay, so that host sockets in them refuse.
    SocketShadow,
    /// Own process ids, own /proc.
    PidNamespace,
    /// Own network: only loopback and the door.
    NetworkNamespace,
    /// Own System V IPC and message queues.
    IpcNamespace,
    /// Own hostname.
    UtsNamespace,
    /// Own view of cgroups.
    CgroupNamespace,
    /// Landlock at the highest ABI, with scopes.
    Landlock,
    /// System calls: refused unless listed.
    Seccomp,
    /// No capabilities, no ambient or bounding set.
    Capabilities,
    /// No privileges gained by exec.
    NoNewPrivileges,
    /// Every descriptor past stdio closed.
    SealedDescriptors,
    /// Stdio of our own making, relayed; no host terminal.
    RelayedStdio,
}

impl Layer {
    /// Every layer, in the order in which they are printed.
    pub const ALL: [Layer; 15] = [
        Layer::UserNamespace,
        Layer::HostUid,
        Layer::PrivateRoot,
        Layer::SocketShadow,
        Layer::PidNamespace,
        Layer::NetworkNamespace,
        Layer::IpcNamespace,
        Layer::UtsNamespace,
        Layer::CgroupNamespace,
        Layer::Landlock,
        Layer::Seccomp,
        Layer::Capabilities,
        Layer::NoNewPrivileges,
        Layer::SealedDescriptors,
        Layer::RelayedStdio,
    ];

    /// The name used everywhere, for example `private-root`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Layer::UserNamespace => "user-namespace",
            Layer::HostUid => "host-uid",
            Layer::PrivateRoot => "private-root",
            Layer::SocketShadow => "socket-shadow",
            Layer::PidNamespace => "pid-namespace",
            Layer::NetworkNamespace => "network-namespace",
            Layer::IpcNamespace => "ipc-namespace",
            Layer::UtsNamespace => "uts-namespace",
            Layer::CgroupNamespace => "cgroup-namespace",
            Layer::Landlock => "landlock",
            Layer::Seccomp => "seccomp",
            Layer::Capabilities => "capabilities",
            Layer::NoNewPrivileges => "no-new-privileges",
            Layer::SealedDescriptors => "sealed-descriptors",
            Layer::RelayedStdio => "relayed-stdio",
        }
    }

    /// The layer of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Layer> {
        Layer::ALL.into_iter().find(|layer| layer.name() == name)
    }
}

/// A set of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LayerSet(u32);

impl LayerSet {
    /// Adds a layer.
    pub fn insert(&mut self, layer: Layer) {
        self.0 |= 1 << layer as u32;
    }

    /// Whether the layer is in the set.
    #[must_use]
    pub const fn contains(self, layer: Layer) -> bool {
        self.0 & (1 << layer as u32) != 0
    }

    /// Whether no layer is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The layers of the set, in printing order.
    pub fn iter(self) -> impl Iterator<Item = Layer> {
        Layer::ALL.into_iter().filter(move |layer| self.contains(*layer))
    }
}

impl FromIterator<Layer> for LayerSet {
    fn from_iter<I: IntoIterator<Item = Layer>>(layers: I) -> Self {
        let mut set = LayerSet::default();
        for layer in layers {
            set.insert(layer);
        }
        set
    }
}
