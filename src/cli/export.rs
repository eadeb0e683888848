//! `daymark export`.

use std::{
    fs::{self, File, Permissions},
    io::{self, IsTerminal, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use clap::{ArgGroup, Args};
use jiff::civil::Date;
use serde_json::json;
use strum::IntoEnumIterator;

use super::{
    App, Exit, Page,
    output::is_closed_pipe,
    series_arguments::{SeriesArguments, ViewArguments, by_flags},
    word_parser::WordParser,
};
use crate::{
    config::shown,
    pluralize::pluralize,
    query::{
        ActivityQuery, Catalogue, CorrectionsQuery, CorrectionsRequest, CsvOptions, Export, ExportFormat,
        LatestQuery, ParameterProblem, QueryError, RunsQuery, RunsRequest, SeriesQuery, SeriesRequest, View,
    },
    store::RevisionBasis,
};

#[derive(Args)]
#[command(group = ArgGroup::new("what").args(["latest", "activity", "definitions", "corrections", "runs"]))]
pub struct ExportArguments {
    #[command(flatten)]
    requested: SeriesArguments,
    #[command(flatten)]
    view: ViewArguments,
    /// The latest value of each metric, and how it changed
    #[arg(long, conflicts_with_all = ["from", "to", "intervals", "week_start"])]
    latest: bool,
    /// The last N finished days
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "to", "intervals", "week_start"])]
    activity: Option<String>,
    /// The metrics, active or not
    #[arg(long, conflicts_with_all = ["from", "to", "metrics", "types", "intervals", "week_start", "values", "as_of"])]
    definitions: bool,
    /// The corrections, newest first; with --from and --to, those of these days
    #[arg(long, conflicts_with_all = ["types", "intervals", "week_start", "values"])]
    corrections: bool,
    /// With --corrections, leave out those that were replaced or taken back
    #[arg(long, requires = "corrections")]
    in_force: bool,
    /// With --corrections, those of this basis
    #[arg(long, requires = "corrections", value_name = "BASIS", value_parser = WordParser::new(RevisionBasis::NAMES))]
    basis: Option<String>,
    /// The collection log, newest run first; with --from and --to, the runs of those days
    #[arg(long, conflicts_with_all = ["metrics", "types", "intervals", "week_start", "values", "as_of"])]
    runs: bool,
    /// The file to write; it appears when it is complete [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The format of the file [default: by the extension of its name, or csv]
    #[arg(long = "as", value_name = "FORMAT", value_parser = WordParser::new(ExportFormat::iter().map(ExportFormat::name)))]
    file_format: Option<String>,
    /// Begin CSV with a byte order mark, by which Excel recognises UTF-8
    #[arg(long)]
    bom: bool,
    /// Cut cells of CSV after 32,767 characters, which is the limit of spreadsheets
    #[arg(long)]
    cut_cells: bool,
}

pub async fn run(app: &App, arguments: &ExportArguments) -> anyhow::Result<(Page, Exit)> {
    let file = arguments.output.as_deref().filter(|path| *path != Path::new("-"));
    let format = format(arguments, file)?;
    if file.is_none() && format == ExportFormat::Parquet && io::stdout().is_terminal() {
        anyhow::bail!("Parquet cannot be shown on a terminal; name a file with `--output`");
    }
    let csv = csv_options(arguments, format).map_err(|error| by_flags(error.into()))?;
    let (export, days) = start(app, arguments, format).await.map_err(by_flags)?;
    let mut export = export.with_csv(csv);
    let Some(path) = file else {
        write_to_stdout(&mut export).await?;
        return Ok((Page::printed(), Exit::Done));
    };
    write_file(path, &mut export).await?;
    Ok((written_page(path, format, days, export.rows()), Exit::Done))
}

fn csv_options(arguments: &ExportArguments, format: ExportFormat) -> Result<CsvOptions, QueryError> {
    let ExportArguments { bom, cut_cells, .. } = *arguments;
    if (bom || cut_cells) && format != ExportFormat::Csv {
        let parameter = if bom { "--bom" } else { "--cut-cells" };
        let message = format!("this option is for CSV only, and the format is {}", format.name());
        return Err(QueryError::InvalidParameters(vec![ParameterProblem { parameter, message }]));
    }
    Ok(CsvOptions { bom, cut_cells })
}

/// Starts the requested export. The days are returned if it covers a range of days.
async fn start(
    app: &App,
    arguments: &ExportArguments,
    format: ExportFormat,
) -> anyhow::Result<(Export, Option<(Date, Date)>)> {
    let (context, settings) = (&app.context, &app.config.settings.query);
    let requested = arguments.requested.request();
    if arguments.runs {
        let query = RunsQuery::parse(&RunsRequest {
            from: requested.from,
            to: requested.to,
            ..RunsRequest::default()
        })?;
        return Ok((Export::runs(context.clone(), query, format).await?, None));
    }
    let catalogue = Arc::new(
        Catalogue::load(context.tenant.store.as_ref())
            .await?
            .with_derived(&app.config.derived())
            .with_all_versions(),
    );
    if arguments.definitions {
        return Ok((Export::definitions(&catalogue, format).await?, None));
    }
    let View { context, catalogue, values } =
        View::new(context, &catalogue, arguments.view.request()).await?;
    if arguments.corrections {
        let asked = CorrectionsRequest {
            from: requested.from,
            to: requested.to,
            categories: requested.categories,
            state: arguments.in_force.then(|| "in_force".to_owned()),
            basis: arguments.basis.clone(),
            ..CorrectionsRequest::default()
        };
        let query = CorrectionsQuery::parse(&asked, &catalogue, values.as_of)?;
        return Ok((Export::corrections(context, query, format).await?, None));
    }
    let requested = SeriesRequest { values, ..requested };
    if arguments.latest {
        let query = LatestQuery::parse(&requested.categories, &requested.types, &catalogue)?.of(values);
        return Ok((Export::latest(&context, &catalogue, &query, format).await?, None));
    }
    let query = match &arguments.activity {
        Some(days) => {
            let query = ActivityQuery::parse(
                Some(days),
                &requested.categories,
                &requested.types,
                &catalogue,
                settings,
            )?
            .of(values);
            query.series(&context, settings)
        }
        None => SeriesQuery::parse_export(&requested, &context, &catalogue, settings).await?,
    };
    let days = (query.from, query.to);
    Ok((Export::series(context, catalogue, query, format).await?, Some(days)))
}

fn written_page(path: &Path, format: ExportFormat, days: Option<(Date, Date)>, rows: u64) -> Page {
    let (from, to) = days.unzip();
    let mut page = Page::new(json!({
        "file": path, "file_format": format.name(), "from": from, "to": to, "rows": rows,
    }));
    page.columns = vec!["file", "file_format", "from", "to", "rows"];
    let path = path.display().to_string();
    let text = |date: Option<Date>| date.map(|date| date.to_string()).unwrap_or_default();
    page.rows = vec![vec![path.clone(), format.name().to_owned(), text(from), text(to), rows.to_string()]];
    let range = days.map(|(from, to)| format!(" from {from} to {to}")).unwrap_or_default();
    page.line(format!("{path}: {}{range} ({}).", pluralize(rows, "row"), format.name()));
    page
}

/// Returns the format that `--as` names, or that of the file name's extension.
fn format(arguments: &ExportArguments, file: Option<&Path>) -> Result<ExportFormat, QueryError> {
    if let Some(named) = arguments.file_format.as_deref().and_then(|name| name.parse().ok()) {
        return Ok(named);
    }
    let Some(extension) = file.and_then(Path::extension) else { return Ok(ExportFormat::Csv) };
    let extension = extension.to_string_lossy().to_lowercase();
    extension.parse().map_err(|_| {
        let names = ExportFormat::iter().map(|format| shown(format.name())).collect::<Vec<_>>().join(", ");
        let message = format!(
            "no format is called {}; use a name that ends in {names}, or give `--as`",
            shown(&extension)
        );
        QueryError::InvalidParameters(vec![ParameterProblem { parameter: "--output", message }])
    })
}

async fn write_to_stdout(export: &mut Export) -> anyhow::Result<()> {
    let written = write_all(export, &mut io::stdout()).await;
    match written {
        // The reader of the pipe has closed it (`daymark export | head`).
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(is_closed_pipe) => Ok(()),
        written => written,
    }
}

async fn write_all(export: &mut Export, to: &mut (impl Write + Send)) -> anyhow::Result<()> {
    while let Some(chunk) = export.next().await? {
        to.write_all(&chunk)?;
    }
    Ok(to.flush()?)
}

/// Writes the export to a temporary file in the same directory and renames it, so that the file is complete or absent.
/// A device or a pipe is written to directly.
async fn write_file(path: &Path, export: &mut Export) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        let mut file = File::options().write(true).open(path).with_context(failed)?;
        return write_all(export, &mut file).await.with_context(failed);
    }
    // If the path is a symbolic link, its target is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .prefix(".daymark-export-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(directory.unwrap_or(Path::new(".")))
        .map_err(without_path)
        .with_context(failed)?;
    write_all(export, file.as_file_mut()).await.with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    file.persist(&path).map_err(|error| error.error).with_context(failed)?;
    Ok(())
}

/// Removes the temporary file's path from the message, because it means nothing to the user.
fn without_path(error: io::Error) -> anyhow::Error {
    let message = error.to_string();
    let reason = message.split_once(" at path ").map_or(message.as_str(), |(reason, _)| reason);
    anyhow::anyhow!(reason.to_owned())
}
