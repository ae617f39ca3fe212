//! `storkit completions` and `storkit man`: what is made from the command line's own grammar.

use clap::CommandFactory;

use super::Context;
use super::args::Cli;
use super::exit::{Exit, Failure, Outcome};

/// Prints a completion script.
pub(super) fn completions(context: &Context, shell: clap_complete::Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "storkit", &mut script);
    context.out.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

/// Prints the manual page: the program's own, then one section for each command.
pub(super) fn man(context: &Context) -> Outcome {
    let mut page = Vec::new();
    let failed = |error: std::io::Error| Failure::new(format!("cannot make the manual: {error}"));
    let mut cli = Cli::command();
    cli.build();
    let manual = clap_mangen::Man::new(cli.clone());
    manual.render(&mut page).map_err(failed)?;
    for command in
        cli.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
    {
        let manual = clap_mangen::Man::new(command.clone());
        page.extend(format!(".SH \"STORKIT {}\"\n", command.get_name().to_uppercase()).bytes());
        manual.render_synopsis_section(&mut page).map_err(failed)?;
        manual.render_description_section(&mut page).map_err(failed)?;
        manual.render_options_section(&mut page).map_err(failed)?;
    }
    context.out.data(&String::from_utf8_lossy(&page))?;
    Ok(Exit::Done)
}
