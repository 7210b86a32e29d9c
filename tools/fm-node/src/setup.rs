//! `fm-node setup`: a new federation by an exchange of codes, or the continuation of an old one.

use fm_audit::Control;
use fm_cli::{Exit, Failure, Output, TerminalProgress, interrupt_flag, of_files, warn};
use fm_guardian::{
    CarryOver, CarryOverError, SetupError, SetupPlan, begin_setup, carry_over, carry_over_hash,
    carry_over_look, finish_setup,
};

use crate::args::{BeginArgs, CarryOverArgs, FinishArgs, SetupCommand};
use crate::failure::{is_wrong_password, of_config};

pub(crate) fn run(command: &SetupCommand) -> Result<Exit, Failure> {
    match command {
        SetupCommand::Begin(arguments) => begin(arguments),
        SetupCommand::Finish(arguments) => finish(arguments),
        SetupCommand::CarryOver(arguments) => continue_old(arguments),
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
    // The files are encrypted with the password; without --confirm no file is written.
    let password = match confirmed {
        Some(_) => arguments.password.read(&arguments.data_dir)?.to_string(),
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

fn continue_old(arguments: &CarryOverArgs) -> Result<Exit, Failure> {
    let CarryOverArgs { data_dir, from, rounds, confirm, guardian, .. } = arguments;
    let job = CarryOver { directory: data_dir, from, rounds_per_session: *rounds, guardian: *guardian };
    let mut output = Output::default();
    let hash = carry_over_hash(job).map_err(not_carried)?;
    let flag = interrupt_flag()?;
    let Some(confirmed) = confirm else {
        let progress = TerminalProgress::new();
        carry_over_look(job, Control { progress: &progress, interrupted: &flag }).map_err(not_carried)?;
        drop(progress);
        output.line(&format!("hash       {hash}"))?;
        output.line(
            "compare    with all guardians, by voice; then run the same command with --confirm and the hash",
        )?;
        return Ok(Exit::Done);
    };
    let is_wrong = |error: &CarryOverError| match error {
        CarryOverError::Config(error) => is_wrong_password(error),
        CarryOverError::Files(error) => error.is_wrong_password(),
        _ => false,
    };
    let carried = arguments.password.open(from, is_wrong, |password| {
        let progress = TerminalProgress::new();
        carry_over(job, confirmed, password, Control { progress: &progress, interrupted: &flag })
    })?;
    let carried = match carried {
        // This is the last file that is written: all others exist.
        Err(CarryOverError::Done { is_same: true, .. }) => {
            output.line(&format!("hash       {hash}"))?;
            output.line("done       by an earlier run; `fm-node run` continues from here")?;
            return Ok(Exit::Done);
        }
        carried => carried.map_err(not_carried)?,
    };
    if let Some(lacking) = &carried.owner_lacking {
        warn("fm-node", lacking);
    }
    output.line(&format!("hash       {hash}"))?;
    output.line(&format!(
        "proven     {} sessions, each signed by a threshold of guardians",
        carried.sessions
    ))?;
    output.line(&format!("ledger     {} accounts, made again from these sessions", carried.accounts))?;
    let (rows, epochs) = (carried.rows_left_out, carried.epochs_left_out);
    output.line(&format!("left out   {rows} other rows of modules, {epochs} epoch(s) that nobody signed"))?;
    output.line(match guardian {
        None => "guardian   this conversion is of the database in --from",
        Some(_) => "guardian   as you named it: nothing else shows whose conversion this is",
    })?;
    output.line(
        "unknown    whether a node with this guardian's key runs anywhere else: two of them are a forker",
    )?;
    output.line(
        "written: consensus.json, local.json, private.encrypt, private.salt; `fm-node run` continues from here",
    )?;
    Ok(Exit::Done)
}

fn not_carried(error: CarryOverError) -> Failure {
    if let CarryOverError::Unbound { own, .. } = error {
        return Failure::from_error(Exit::Usage, &error).hint(format!(
            "another guardian's conversion would run with this guardian's key beside its own node; if you converted guardian \
             {own}'s database, give --guardian {own}"
        ));
    }
    let exit = match error {
        CarryOverError::Audit(error) => return error.into(),
        CarryOverError::Store(error) => return error.into(),
        CarryOverError::Config(error) => return of_config(&error),
        CarryOverError::Files(error) => return of_files(&error),
        CarryOverError::File { .. } | CarryOverError::Signed(_) => Exit::CannotLook,
        CarryOverError::Done { .. }
        | CarryOverError::Unbound { .. }
        | CarryOverError::OtherGuardian { .. } => Exit::Usage,
        CarryOverError::NotConfirmed { .. }
        | CarryOverError::NotProven { .. }
        | CarryOverError::NotSealed { .. }
        | CarryOverError::Ledger(_)
        | CarryOverError::OtherLedger => Exit::Findings,
    };
    Failure::from_error(exit, &error)
}
