//! The search of one shard: while a block of text is searched on all cores, the next one is decompressed.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rayon::prelude::*;

use super::blocks::{Block, Blocks, Filled};
use super::csv::Fields;
use super::json::marks::Marks;
use super::json::shapes::Shapes;
use super::json::{Paths, Visitor, Walker};
use super::prefilter::{self, Prefilter};
use super::presence::{self, Presence, Sights};
use super::read::values;
use super::{CsvLayout, Fault, Piece, PieceKind, Quotes, TextFormat};
use crate::{
    ColumnPath, Error, FieldTest, Found, Limits, Matcher, Noted, Record, Result, SelectorIndex, Sink, Step,
    StreamSearch, Summary, Value, Verdict,
};

/// Bytes of text that one task searches: enough to be worth a task, few enough that a block gives some to every core.
const TASK_BYTES: usize = 64 << 10;

/// Admitted lines with no more than this between them are prepared for the parser as one text.
const RUN_GAP_BYTES: usize = 1 << 10;

/// Searches one shard for a matcher's selectors. Rows are numbered as the [`Splitter`](super::Splitter) numbers records: a
/// broken one counts too.
#[derive(Debug)]
pub struct TextSearch {
    blocks: Blocks,
    /// The block that is searched next.
    block: Block,
    scan: Scan,
    /// Of the CSV row that was found last.
    values: Vec<String>,
    notes_lost: bool,
    summary: Summary,
}

impl TextSearch {
    /// A search of a shard of this format, for the matcher of its source. Fails when the format or the mapping cannot be right.
    pub fn new(format: TextFormat, matcher: Arc<Matcher>, limits: Limits) -> Result<Self> {
        let (paths, presence) = match format {
            TextFormat::Csv(_) => (Paths::new([]), Presence::default()),
            TextFormat::Ndjson | TextFormat::Document { .. } => {
                let targets = targets(&matcher).map(|target| (target.index, target.path));
                (Paths::with_astray(targets, matcher.fields().len() + 1), presence(&matcher))
            }
        };
        Ok(Self {
            blocks: Blocks::new(&format, &limits)?,
            block: Block::default(),
            scan: Scan {
                format,
                matcher,
                prefilter: None,
                paths,
                presence,
                columns: None,
                nesting_max: limits.nesting_max,
                tools: Mutex::default(),
            },
            values: Vec::new(),
            notes_lost: false,
            summary: Summary::default(),
        })
    }

    /// Parses only those lines of NDJSON that may hold a wanted value, where that can be told from their bytes. What is wrong within
    /// others is not noticed then; a line that is cut off or no object is.
    #[must_use]
    pub fn with_prefilter(mut self) -> Self {
        if self.scan.format == TextFormat::Ndjson {
            self.scan.prefilter = Prefilter::new(&self.scan.matcher);
        }
        self
    }

    /// Lets JSON lack these columns: a shard that had them has lost records since.
    #[must_use]
    pub fn with_lost_columns(mut self, columns: &[ColumnPath]) -> Self {
        self.scan.presence.take_for_seen(columns);
        self
    }

    /// Lets JSON lack any column, and [says](Summary::lacking) which of these it lacks: a shard that had them has just lost records.
    #[must_use]
    pub fn noting_lost(mut self, columns: &[ColumnPath]) -> Self {
        if !matches!(self.scan.format, TextFormat::Csv(_)) {
            let needs: Vec<_> = columns.iter().map(|column| vec![vec![column]]).collect();
            self.scan.presence = Presence::new(&needs, None);
        }
        self.notes_lost = true;
        self
    }

    /// Goes on until more bytes are needed, or the shard is over.
    fn advance(&mut self, sink: &mut dyn Sink) -> Result<()> {
        loop {
            let (filled, parts) = if self.block.pieces.is_empty() {
                (self.blocks.fill(), Vec::new())
            } else {
                rayon::join(|| self.blocks.fill(), || self.scan.block(&self.block))
            };
            self.deliver(parts, sink)?;
            self.block.pieces.clear();
            match filled? {
                Filled::Hungry => return Ok(()),
                Filled::Full => self.cut()?,
                Filled::Done => {
                    self.cut()?;
                    let parts = self.scan.block(&self.block);
                    return self.deliver(parts, sink);
                }
            }
        }
    }

    fn cut(&mut self) -> Result<()> {
        self.blocks.cut(&mut self.block)?;
        if self.scan.columns.is_none()
            && let TextFormat::Csv(layout) = &self.scan.format
            && let Some(names) = self.blocks.splitter().names()
        {
            self.scan.columns = Some(Columns::new(names, layout, &self.scan.matcher)?);
        }
        Ok(())
    }

    /// Hands on what was found in the block, up to the first error.
    fn deliver(&mut self, parts: Vec<Result<Part>>, sink: &mut dyn Sink) -> Result<()> {
        for part in parts {
            let part = part?;
            self.scan.presence.add(&part.sights);
            self.summary.rows += part.rows + part.passed;
            self.summary.effort.rows_decoded += part.rows;
            self.summary.poisoned.add(part.poisoned);
            self.summary.torn.add(part.torn);
            self.summary.astray.add(part.astray);
            self.summary.beside.add(part.beside);
            for (piece, row, owners) in part.found {
                let selectors = &part.owners[owners];
                for &selector in selectors {
                    self.summary.matches.insert(row, selector);
                }
                let record = self.scan.record(self.block.bytes(&piece), &mut self.values);
                sink.found(Found { row, selectors, record }).map_err(Error::Sink)?;
            }
        }
        Ok(())
    }
}

impl StreamSearch for TextSearch {
    fn feed(&mut self, piece: Bytes, sink: &mut dyn Sink) -> Result<()> {
        self.blocks.push(piece);
        self.advance(sink)
    }

    fn finish(&mut self, sink: &mut dyn Sink) -> Result<Summary> {
        self.blocks.end();
        self.advance(sink)?;
        if self.notes_lost {
            self.summary.lacking = self.scan.presence.lacking();
        } else {
            self.scan.presence.check()?;
        }
        self.summary.effort.bytes_decompressed = self.blocks.text_bytes();
        Ok(std::mem::take(&mut self.summary))
    }
}

/// A column that must be looked at.
struct Target<'m> {
    /// The index of the matcher's field; the tenant's comes behind them.
    index: usize,
    path: &'m ColumnPath,
    is_optional: bool,
}

/// The columns that must be looked at.
fn targets<'m>(matcher: &'m Matcher) -> impl Iterator<Item = Target<'m>> {
    let fields = matcher.fields().iter().enumerate().filter(|(_, field)| field.is_wanted());
    let tenant = matcher.tenant().map(|tenant| (matcher.fields().len(), tenant));
    let target = |(index, field): (usize, &'m FieldTest)| Target {
        index,
        path: field.column(),
        is_optional: field.is_optional(),
    };
    fields.chain(tenant).map(target)
}

/// What records must have: of the columns that a selector is looked for in, one that is not optional, or all of a composite; and the tenant.
fn presence(matcher: &Matcher) -> Presence {
    let required = |rule: &usize| {
        let fields = matcher.fields_of(*rule).filter(|field| !field.is_optional());
        fields.map(FieldTest::column).collect::<Vec<_>>()
    };
    let lists = |rules: &Vec<usize>| rules.iter().map(required).filter(|list| !list.is_empty()).collect::<Vec<_>>();
    let needs: Vec<_> = matcher.asked().iter().map(lists).filter(|lists| !lists.is_empty()).collect();
    Presence::new(&needs, matcher.tenant().map(FieldTest::column))
}

/// What tasks share.
#[derive(Debug)]
struct Scan {
    format: TextFormat,
    matcher: Arc<Matcher>,
    /// NDJSON only, where it was asked for.
    prefilter: Option<Prefilter>,
    /// JSON only.
    paths: Paths,
    /// JSON only: whether the shard has those paths.
    presence: Presence,
    /// CSV only, once the header is known.
    columns: Option<Columns>,
    nesting_max: usize,
    /// What tasks that are over leave to those that follow.
    tools: Mutex<Vec<Tools>>,
}

/// What a task works with and another one can use after it.
#[derive(Debug, Default)]
struct Tools {
    marks: Marks,
    shapes: Shapes,
    room: prefilter::Room,
    /// Lines that the prefilter admits.
    admitted: Vec<Piece>,
}

/// A CSV shard's columns.
#[derive(Debug)]
struct Columns {
    names: Arc<[String]>,
    layout: CsvLayout,
    /// For each column, which targets it is.
    targets: Vec<Vec<usize>>,
}

impl Columns {
    fn new(names: &Arc<[String]>, layout: &CsvLayout, matcher: &Matcher) -> Result<Self> {
        let (names, layout) = (Arc::clone(names), layout.clone());
        let mut columns = Self { targets: vec![Vec::new(); names.len()], names, layout };
        for Target { index, path, is_optional } in targets(matcher) {
            let mut is_missing = true;
            for (name, targets) in columns.names.iter().zip(&mut columns.targets) {
                if is_named(path, name) {
                    targets.push(index);
                    is_missing = false;
                }
            }
            if is_missing && !is_optional {
                return Err(columns.lacks(path));
            }
        }
        Ok(columns)
    }

    /// No column has this name.
    fn lacks(&self, path: &ColumnPath) -> Error {
        let column = path.to_string();
        match self.names.iter().any(|name| is_named(path, name.trim())) {
            true => Error::ColumnType {
                column,
                found: "not there by this name: the header has white space around it, which the mapping must have, too"
                    .into(),
            },
            false => Error::MissingColumn { column },
        }
    }
}

/// Whether a mapped path means the CSV column `name`: as it is written, or in quotes.
pub fn is_named(path: &ColumnPath, name: &str) -> bool {
    path.as_str() == name || matches!(path.steps(), [Step::Field(field)] if field == name)
}

/// What one task found.
#[derive(Default)]
struct Part {
    /// Records that were read.
    rows: u64,
    /// Records that cannot hold a wanted value.
    passed: u64,
    poisoned: Noted,
    torn: Noted,
    astray: Noted,
    beside: Noted,
    /// Each record with its row and where its selectors lie in `owners`.
    found: Vec<(Piece, u64, Range<usize>)>,
    owners: Vec<SelectorIndex>,
    /// What records show of columns that were in none before.
    sights: Sights,
}

impl Scan {
    /// Searches a block's records in parallel. What each task found, in their order.
    fn block(&self, block: &Block) -> Vec<Result<Part>> {
        let tasks = tasks(&block.pieces);
        tasks.into_par_iter().map(|pieces| self.part(block, pieces)).collect()
    }

    fn part(&self, block: &Block, pieces: &[Piece]) -> Result<Part> {
        let lock = || self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tools = lock().pop().unwrap_or_default();
        let part = self.part_with(block, pieces, &mut tools);
        lock().push(tools);
        part
    }

    fn part_with(&self, block: &Block, pieces: &[Piece], tools: &mut Tools) -> Result<Part> {
        let mut part = Part { sights: self.presence.sights(), ..Part::default() };
        let Some(prefilter) = self.prefilter.as_ref().filter(|_| self.has_all_columns(block, pieces, &mut part.sights))
        else {
            self.parse(block, pieces, tools, &mut part)?;
            return Ok(part);
        };
        let mut admitted = std::mem::take(&mut tools.admitted);
        admitted.clear();
        let whole = pieces.first().zip(pieces.last()).map_or(0..0, |(first, last)| first.start..last.end);
        let text = prefilter::Text { bytes: &block.text[whole], has_backslash: block.has_backslash };
        part.passed = prefilter.admit(text, pieces, &mut tools.room, &mut admitted);
        let mut runs = admitted.chunk_by(|before, next| next.start <= before.end + RUN_GAP_BYTES);
        let parsed = runs.try_for_each(|run| self.parse(block, run, tools, &mut part));
        tools.admitted = admitted;
        parsed.map(|()| part)
    }

    /// Whether the records among `pieces` have the columns that none before had: if not, each must be read to know.
    fn has_all_columns(&self, block: &Block, pieces: &[Piece], sights: &mut Sights) -> bool {
        for piece in pieces.iter().filter(|piece| matches!(piece.kind, PieceKind::Record { .. })) {
            if self.presence.is_met_by(sights) {
                break;
            }
            self.presence.glance(block.bytes(piece), sights);
        }
        self.presence.is_met_by(sights)
    }

    /// Parses the records among `pieces`, which lie close together.
    fn parse(&self, block: &Block, pieces: &[Piece], tools: &mut Tools, part: &mut Part) -> Result<()> {
        let mut verdict = Verdict::new(&self.matcher);
        let mut walker = Walker::new(&self.paths, self.nesting_max);
        let tenant = self.matcher.fields().len();
        let mut is_looking = !self.presence.is_met_by(&part.sights);
        let span = span(pieces).unwrap_or_default();
        let start = span.start;
        // One check for all of them is cheaper than one for each; where it fails, they are checked one by one.
        let utf8 = simdutf8::basic::from_utf8(&block.text[span.clone()]).ok();
        if self.columns.is_none() {
            tools.marks.mark(&block.text[span.clone()]);
        }
        for piece in pieces {
            let PieceKind::Record { row, line } = piece.kind else { continue };
            verdict.reset();
            let text = match utf8 {
                Some(text) => text.get(piece.start - start..piece.end - start),
                None => simdutf8::basic::from_utf8(block.bytes(piece)).ok(),
            };
            let searched = match (text, &self.columns) {
                (None, _) => Err(Fault::NotUtf8),
                (Some(text), None) => {
                    let record = piece.start - start..piece.end - start;
                    let judge = &mut Judge { verdict: &mut verdict, tenant, is_lenient: false };
                    if tools.shapes.walk(&block.text[span.clone()], &tools.marks, record, judge) {
                        Ok(())
                    } else {
                        judge.verdict.reset();
                        let walked = walker.walk(text, judge);
                        if walked.is_ok() {
                            tools.shapes.learn(&self.paths, text.as_bytes());
                        }
                        walked
                    }
                }
                (Some(text), Some(columns)) => {
                    self.row(text, columns, &mut Judge { verdict: &mut verdict, tenant, is_lenient: false })
                }
            };
            if let Err(fault) = searched {
                let poison = fault.poison(&self.format, row, line, block.offset + piece.start as u64)?;
                part.poisoned.note(|| poison);
                continue;
            }
            part.rows += 1;
            if is_looking {
                self.presence.look(block.bytes(piece), &mut part.sights);
                is_looking = !self.presence.is_met_by(&part.sights);
            }
            if verdict.is_blank() {
                continue;
            }
            let selectors = verdict.selectors();
            let is_found = !selectors.is_empty();
            if is_found {
                let from = part.owners.len();
                part.owners.extend_from_slice(selectors);
                part.found.push((*piece, row, from..part.owners.len()));
            } else if verdict.is_torn() {
                part.torn.note(|| self.format.place(row, line));
            }
            if let (Some(field), Some(text)) = (verdict.first_astray(), text) {
                let place = || format!("{}, {}", self.format.place(row, line), self.form(field, text));
                match self.misses(text, &mut verdict, &mut walker) {
                    true => part.astray.note(place),
                    false if is_found && field < self.matcher.fields().len() => part.beside.note(place),
                    false => {}
                }
            }
        }
        Ok(())
    }

    /// In which form a record holds a value of this field, or of the tenant's, that its path does not take.
    #[cold]
    fn form(&self, field: usize, text: &str) -> String {
        match (self.matcher.fields().get(field), self.matcher.tenant()) {
            (Some(of), _) => presence::astray(text.as_bytes(), of.column()),
            (None, Some(tenant)) => format!("no single value at `{}`, which names its tenant", tenant.column()),
            (None, None) => String::new(),
        }
    }

    /// Whether a record would be somebody's, or torn, if values that are astray lay where they belong, and is not.
    #[cold]
    fn misses(&self, text: &str, verdict: &mut Verdict<'_>, walker: &mut Walker<'_>) -> bool {
        let mut lenient = Verdict::new(&self.matcher);
        let judge = &mut Judge { verdict: &mut lenient, tenant: self.matcher.fields().len(), is_lenient: true };
        if walker.walk(text, judge).is_err() {
            return true;
        }
        let found = verdict.selectors().to_vec();
        lenient.selectors().iter().any(|selector| !found.contains(selector)) || lenient.is_torn() && !verdict.is_torn()
    }

    /// One CSV row.
    fn row(&self, text: &str, columns: &Columns, judge: &mut Judge<'_, '_>) -> std::result::Result<(), Fault> {
        let mut found = 0;
        for field in Fields::new(text.as_bytes(), &columns.layout) {
            let field = field?;
            let targets = columns.targets.get(found).map_or(&[][..], Vec::as_slice);
            for &target in targets {
                judge.take(target, Value::Cell(&field.value()));
            }
            // Blanks stay around it: only `trim` makes it anybody's.
            if targets.iter().any(|&target| self.is_loose(target))
                && columns.layout.quotes != Quotes::Ordinary
                && let Some(value) = field.value_behind_blanks()
            {
                let loose = targets.iter().filter(|&&target| self.is_loose(target));
                loose.for_each(|&target| judge.take(target, Value::Cell(&value)));
            }
            found += 1;
        }
        let expected = columns.names.len();
        if found == expected { Ok(()) } else { Err(Fault::Fields { found, expected }) }
    }

    /// Whether a field takes more than the very value that is wanted.
    fn is_loose(&self, target: usize) -> bool {
        self.matcher.fields().get(target).is_some_and(|field| !field.is_exact())
    }

    /// A record that was searched, in the form that sinks take.
    fn record<'a>(&'a self, bytes: &'a [u8], room: &'a mut Vec<String>) -> Record<'a> {
        match &self.columns {
            None => Record::Json(bytes.trim_ascii()),
            Some(columns) => {
                let values = values(bytes, &columns.layout, columns.names.len(), room);
                Record::Csv { names: &columns.names, values: values.unwrap_or_default() }
            }
        }
    }
}

/// Puts a record's values to the verdict.
struct Judge<'a, 'm> {
    verdict: &'a mut Verdict<'m>,
    /// The target that is the tenant. Behind it are all targets again, for values that are astray.
    tenant: usize,
    /// Whether those count as if they were not.
    is_lenient: bool,
}

impl Judge<'_, '_> {
    #[inline]
    fn take(&mut self, target: usize, value: Value<'_>) {
        if target < self.tenant {
            self.verdict.field(target, value);
        } else if target == self.tenant {
            self.verdict.tenant(value);
        } else {
            self.take_astray(target - self.tenant - 1, value);
        }
    }

    #[cold]
    fn take_astray(&mut self, target: usize, value: Value<'_>) {
        if self.is_lenient && target < self.tenant {
            self.verdict.field_astray(target, value);
        } else if self.is_lenient {
            self.take(target, value);
        } else {
            self.verdict.astray(target, value);
        }
    }
}

impl Visitor for Judge<'_, '_> {
    #[inline]
    fn value(&mut self, targets: &[usize], _: Range<usize>, value: Option<Value<'_>>) {
        if let Some(value) = value {
            targets.iter().for_each(|&target| self.take(target, value));
        }
    }
}

/// Pieces for one task each.
fn tasks(mut pieces: &[Piece]) -> Vec<&[Piece]> {
    let mut tasks = Vec::new();
    while let Some(first) = pieces.first() {
        let count = pieces.partition_point(|piece| piece.start < first.start + TASK_BYTES);
        let (task, rest) = pieces.split_at(count);
        tasks.push(task);
        pieces = rest;
    }
    tasks
}

/// The text from the first record to the last.
fn span(pieces: &[Piece]) -> Option<Range<usize>> {
    let mut records = pieces.iter().filter(|piece| matches!(piece.kind, PieceKind::Record { .. }));
    let first = records.next()?;
    Some(first.start..records.next_back().unwrap_or(first).end)
}
