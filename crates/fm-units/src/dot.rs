//! The graph as text for Graphviz: `dot -Tsvg`.

use std::fmt::{self, Write};

use crate::dag::{Dag, Node};
use crate::unit::UnitData;

impl Dag<'_> {
    /// Writes the graph: a box for every unit, an arrow to every parent. Forks are red, non-empty batches
    /// grey.
    ///
    /// # Errors
    /// Fails if the writer fails.
    pub fn write_dot(&self, out: &mut dyn Write) -> fmt::Result {
        writeln!(out, "digraph session_{} {{", self.session)?;
        self.write_nodes(out, "u")?;
        writeln!(out, "}}")
    }

    fn write_nodes(&self, out: &mut dyn Write, name: &str) -> fmt::Result {
        writeln!(out, "  rankdir=RL;\n  node [shape=box, fontname=monospace];")?;
        for (index, node) in self.nodes.iter().enumerate() {
            let fields = &node.unit.fields;
            let fork = self.places[&(fields.round, fields.creator)].len() > 1;
            let hash = hex::encode(&node.hash.0[..4]);
            write!(
                out,
                "  {name}{index} [label=\"{}:{}\\n{hash}\\n{}\"",
                fields.creator,
                fields.round,
                content(node)
            )?;
            let colour = if fork { ", color=red" } else { "" };
            let fill = if carries(node) { ", style=filled, fillcolor=lightgrey" } else { "" };
            writeln!(out, "{colour}{fill}];")?;
        }
        for (index, node) in self.nodes.iter().enumerate() {
            let fields = &node.unit.fields;
            let Some(before) = fields.round.checked_sub(1) else { continue };
            for parent in fields.parents.members() {
                for parent in self.places.get(&(before, parent as u64)).into_iter().flatten() {
                    writeln!(out, "  {name}{index} -> {name}{parent};")?;
                }
            }
        }
        Ok(())
    }
}

/// Writes several graphs as one, because most programs read only one `digraph` in a file. Each graph has a
/// frame with the number of its session.
///
/// # Errors
/// Fails if the writer fails.
pub fn write_dots(dags: &[&Dag<'_>], out: &mut dyn Write) -> fmt::Result {
    if let [dag] = dags {
        return dag.write_dot(out);
    }
    writeln!(out, "digraph sessions {{\n  rankdir=RL;")?;
    for (place, dag) in dags.iter().enumerate() {
        writeln!(out, "subgraph cluster_{place} {{\n  label=\"session {}\";", dag.session)?;
        dag.write_nodes(out, &format!("s{place}_u"))?;
        writeln!(out, "}}")?;
    }
    writeln!(out, "}}")
}

fn carries(node: &Node<'_>) -> bool {
    match node.unit.fields.data {
        Some(UnitData::Items { count, .. }) => count > 0,
        // A single byte is the count 0: an empty batch.
        Some(UnitData::Bytes { bytes, .. }) => bytes.len() > 1,
        Some(UnitData::HeaderSignature { .. }) | None => false,
    }
}

fn content(node: &Node<'_>) -> String {
    match node.unit.fields.data {
        Some(UnitData::Items { count, .. }) => format!("{count} items"),
        Some(UnitData::Bytes { bytes, .. }) => format!("{} bytes", bytes.len()),
        Some(UnitData::HeaderSignature { .. }) => "signature".to_owned(),
        None => "-".to_owned(),
    }
}
