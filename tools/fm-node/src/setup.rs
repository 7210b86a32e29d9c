//! `fm-node setup`: a new federation by an exchange of codes.

use fm_cli::{Exit, Failure, Output, guardian_password};
use fm_guardian::{SetupError, SetupPlan, begin_setup, finish_setup};

use crate::args::{BeginArgs, FinishArgs, SetupCommand};

pub(crate) fn run(command: &SetupCommand) -> Result<Exit, Failure> {
    match command {
        SetupCommand::Begin(arguments) => begin(arguments),
        SetupCommand::Finish(arguments) => finish(arguments),
    }
}

fn begin(arguments: &BeginArgs) -> Result<Exit, Failure> {
    let BeginArgs { data_dir, name, p2p, api } = arguments;
    let code = begin_setup(data_dir, name, p2p, api).map_err(failure)?;
    Output::default().line(&code)?;
    Ok(Exit::Done)
}

fn finish(arguments: &FinishArgs) -> Result<Exit, Failure> {
    let plan = SetupPlan {
        federation_name: arguments.federation_name.clone(),
        rounds_per_session: arguments.rounds,
        codes: arguments.codes.clone(),
    };
    let confirmed = arguments.confirm.as_deref();
    // The files are encrypted with the password; without --confirm none is written.
    let password = match confirmed {
        Some(_) => guardian_password(&arguments.data_dir)?.to_string(),
        None => String::new(),
    };
    let hash = finish_setup(&arguments.data_dir, &plan, confirmed, &password).map_err(failure)?;
    let mut output = Output::default();
    output.line(&format!("hash       {hash}"))?;
    output.line(match confirmed {
        Some(_) => "written: consensus.json, local.json, private.encrypt, private.salt; `fm-node run --new` starts it",
        None => "compare    with all guardians, by voice; then run the same command with --confirm and the hash",
    })?;
    Ok(Exit::Done)
}

fn failure(error: SetupError) -> Failure {
    let exit = match error {
        SetupError::File { .. } | SetupError::Keys(_) => Exit::CannotLook,
        SetupError::NotConfirmed { .. } => Exit::Findings,
        _ => Exit::Usage,
    };
    Failure::from_error(exit, &error)
}
