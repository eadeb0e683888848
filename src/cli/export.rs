//! `daymark export`.

use std::{
    fs::{self, File, Permissions},
    io::{self, IsTerminal, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use clap::{Args, builder::PossibleValuesParser};
use serde_json::json;

use super::{App, Exit, Page, asked::AskedArguments, is_closed_pipe};
use crate::{
    query::{Catalogue, Export, ExportFormat, ExportQuestion},
    wording::counted,
};

#[derive(Args)]
pub struct ExportArguments {
    #[command(flatten)]
    asked: AskedArguments,
    /// The file to write; it appears when it is whole [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The format of the file [default: as the ending of its name says, or csv]
    #[arg(long = "as", value_name = "FORMAT", value_parser = PossibleValuesParser::new(ExportFormat::ALL.map(ExportFormat::name)))]
    file_format: Option<String>,
}

pub async fn run(app: &App, arguments: &ExportArguments) -> anyhow::Result<(Page, Exit)> {
    let context = &app.context;
    let file = arguments.output.as_deref().filter(|path| *path != Path::new("-"));
    let format = format(arguments, file);
    if file.is_none() && format == ExportFormat::Parquet && io::stdout().is_terminal() {
        anyhow::bail!("Parquet is not for a terminal; name a file with `--output`");
    }
    let catalogue = Arc::new(Catalogue::load(context.store.as_ref()).await?);
    let asked = arguments.asked.asked();
    let question = ExportQuestion::parse(&asked, context, &catalogue, &app.config.settings.query).await?;
    let (from, to) = (question.from, question.to);
    let mut export = Export::start(context.clone(), catalogue, question, format).await?;
    let Some(path) = file else {
        write_to_stdout(&mut export).await?;
        return Ok((Page::printed(), Exit::Done));
    };
    write_file(path, &mut export).await?;
    let rows = export.rows();
    let mut page = Page::new(json!({
        "file": path, "file_format": format.name(), "from": from, "to": to, "rows": rows,
    }));
    page.columns = vec!["file", "file_format", "from", "to", "rows"];
    let path = path.display().to_string();
    page.rows = vec![vec![
        path.clone(),
        format.name().to_owned(),
        from.to_string(),
        to.to_string(),
        rows.to_string(),
    ]];
    page.line(format!("{path}: {} from {from} to {to} ({}).", counted(rows, "row"), format.name()));
    Ok((page, Exit::Done))
}

fn format(arguments: &ExportArguments, file: Option<&Path>) -> ExportFormat {
    let ending = file.and_then(Path::extension).and_then(|ending| ending.to_str());
    let named = arguments.file_format.as_deref().and_then(ExportFormat::from_name);
    named.or_else(|| ExportFormat::from_name(&ending?.to_lowercase())).unwrap_or(ExportFormat::Csv)
}

async fn write_to_stdout(export: &mut Export) -> anyhow::Result<()> {
    let written = write_all(export, &mut io::stdout()).await;
    match written {
        // Whoever read it has seen enough (`daymark export | head`).
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(is_closed_pipe) => Ok(()),
        written => written,
    }
}

async fn write_all(export: &mut Export, to: &mut (impl Write + Send)) -> anyhow::Result<()> {
    while let Some(piece) = export.next().await? {
        to.write_all(&piece)?;
    }
    Ok(to.flush()?)
}

/// Under its name the file is whole or not there: it is written beside it and renamed. What is no file, such as a
/// device or a pipe, is written to directly.
async fn write_file(path: &Path, export: &mut Export) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        let mut file = File::options().write(true).open(path).with_context(failed)?;
        return write_all(export, &mut file).await.with_context(failed);
    }
    // Where the name is a link, the file behind it is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .prefix(".daymark-export-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(directory.unwrap_or(Path::new(".")))
        .with_context(failed)?;
    write_all(export, file.as_file_mut()).await.with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    file.persist(&path).map_err(|error| error.error).with_context(failed)?;
    Ok(())
}
