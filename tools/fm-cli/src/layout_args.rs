//! The option that names a layout.

use clap::Args;
use fm_eras::Layout;

use crate::{Exit, Failure, LAYOUTS};

/// The layout, for records that do not show it.
#[derive(Args, Clone)]
pub struct LayoutArgs {
    /// Overrule the detected layout, by its name or the commit that made it (docs/formats name them).
    #[arg(long, value_name = "NAME", env = "FM_LAYOUT", value_parser = LAYOUTS, hide_possible_values = true)]
    layout: Option<String>,
}

impl LayoutArgs {
    /// Returns the layout that the user named, if one was named.
    ///
    /// # Errors
    /// If there is no layout of that name.
    pub fn get(&self) -> Result<Option<Layout>, Failure> {
        self.layout.as_deref().map(layout_by_name).transpose()
    }
}

/// Returns the layout that the user named.
fn layout_by_name(name: &str) -> Result<Layout, Failure> {
    Layout::by_name(name).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("there is no layout {name:?}"))
            .hint(format!("the layouts are {}", Layout::names().join(", ")))
    })
}
