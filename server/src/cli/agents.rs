//! `storkit agents`: who can work, and on what each works.

use comfy_table::{ContentArrangement, Table, presets};
use storkit_core::snapshot::AgentView;

use super::exit::{Exit, Outcome};
use super::text::clean;
use super::{Context, ask};

/// Runs the command.
pub(super) fn run(context: &Context) -> Outcome {
    let status = ask::status(context, false)?;
    if context.out.json {
        context.out.json(&status.agents)?;
    } else if status.agents.is_empty() {
        context.out.say("no agents: write an [[agent]] into .storkit/project.toml");
    } else {
        context.out.data(&render(&status.agents, context.out.columns()))?;
    }
    Ok(Exit::Done)
}

fn render(agents: &[AgentView], columns: usize) -> String {
    let rows = agents.iter().map(|agent| {
        let mut state = agent.state.clone();
        if let Some(until) = &agent.until {
            state = format!("{state} until {until}");
        }
        if let Some(reason) = &agent.reason {
            state = format!("{state}: {reason}");
        }
        [&agent.name, &agent.stage, &agent.runtime, &state, &agent.stories.join(", ")].map(|text| clean(text))
    });
    plain_table(["agent", "stage", "runtime", "state", "stories"], rows, columns)
}

/// A table without lines, in at most `columns` columns.
pub(super) fn plain_table<const N: usize>(
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    columns: usize,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(columns).unwrap_or(u16::MAX));
    table.set_header(head);
    for row in rows {
        table.add_row(row);
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n") + "\n"
}
