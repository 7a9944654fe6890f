//! Pages of a changed chunk, made again: the same kind of page, the same encoding, the same codec.

use parquet::basic::Encoding;
use parquet::schema::types::ColumnDescriptor;

use super::chunk::{Job, Made, Plan};
use super::codec::Codec;
use super::edit::cut;
use super::footer::malformed;
use super::laid::{Entries, blank, lay};
use super::levels::{self, Levels};
use super::page::{Kind, Page, data, data_v2, dictionary, header};
use super::spare;
use super::statistics::Delta;
use super::strike::{cut_indices, indices};
use super::thrift::{Broken, Struct};
use super::values::{encode_indices, pack_indices};
use crate::{Error, Result};

/// What a data page holds now.
pub(super) struct Remade<'a> {
    pub(super) levels: &'a Levels,
    pub(super) encoded: &'a [u8],
    pub(super) delta: &'a Delta,
    /// The statistics in its header, where they are others.
    pub(super) statistics: Option<&'a [u8]>,
}

/// Makes the `at`th page of a chunk again.
pub(super) fn make(job: Job<'_>, plan: &Plan, at: usize) -> Result<Made> {
    let page_plan = &plan.pages[at];
    let page = &page_plan.page;
    let bytes = job.input.read_at(page.range())?;
    let mut codec = plan.codec;
    if page.kind == Kind::Dictionary {
        let encoded = page.unpack_dictionary(&bytes, &mut codec)?;
        let laid = lay(encoded, Encoding::PLAIN, page.count, job.column, job.limits, page.offset)?;
        return make_dictionary(job, plan, page, &Entries::new(laid));
    }
    if !page_plan.is_hit && !plan.dictionary.moves(page_plan) {
        return reword(page, &bytes, page_plan.statistics.as_deref());
    }
    let unpacked = page.unpack(&bytes, &mut codec, job.column)?;
    let max = (job.column.max_rep_level(), job.column.max_def_level());
    let hits = if page_plan.is_hit { job.hits } else { &[] };
    let cut = cut(&unpacked.levels, page.count, page_plan.span, hits, job.fate, max);
    let puts_blanks = cut.delta.blanks > 0;
    let encoded = if page.is_dictionary_encoded() {
        let width = unpacked.encoded.first().copied().unwrap_or(0);
        let (mut kept, _) = cut_indices(indices(page, &unpacked, usize::MAX)?, &cut.gone, puts_blanks);
        kept.iter_mut().for_each(|index| *index = plan.dictionary.moved(*index));
        let encode = if job.chunk.is_one_run { pack_indices } else { encode_indices };
        encode(&kept, width).into()
    } else {
        let laid = lay(unpacked.encoded.clone(), page.encoding, unpacked.values, job.column, job.limits, page.offset)?;
        let empty = blank(job.column);
        let (kept, _) = laid.cut(&cut.gone, puts_blanks.then_some(&empty));
        kept.encode(page.encoding, job.column, job.limits)?
    };
    let statistics = page_plan.statistics.as_deref();
    let remade = Remade { levels: &cut.levels, encoded: &encoded, delta: &cut.delta, statistics };
    remake(job.column, page, page_plan.rows, &bytes, codec, &remade)
}

/// Makes the dictionary page again, which held `entries`.
pub(super) fn make_dictionary(job: Job<'_>, plan: &Plan, page: &Page, entries: &Entries) -> Result<Made> {
    let broken = |broken| malformed(page.offset, broken);
    let bytes = job.input.read_at(page.offset..page.offset + page.header as u64)?;
    let mut header = Struct::read(&bytes).map_err(broken)?.0;
    let empty = blank(job.column);
    let more = plan.dictionary.adds_blank.then_some(empty.as_slice());
    let order = plan.dictionary.order.as_deref();
    let values = order.map_or_else(|| entries.laid.select(|_| true, more), |order| entries.arrange(order, more));
    let mut inner = inner(&header, header::DICTIONARY).map_err(broken)?;
    inner.set_i32(dictionary::NUM_VALUES, fits(values.len())?);
    if plan.dictionary.adds_blank || order.is_some_and(|order| !order.is_sorted()) {
        inner.remove(dictionary::IS_SORTED);
    }
    header.set_inner(header::DICTIONARY, &inner);
    let body = values.encode(Encoding::PLAIN, job.column, job.limits)?;
    let packed = plan.codec.pack(&body, (page.packed, page.unpacked))?;
    let made = finish_page(header, page, body.len(), &packed);
    spare::give(packed);
    made
}

/// Makes a data page again, of which `bytes` are header and body, and which has so many `rows` now.
pub(super) fn remake(
    column: &ColumnDescriptor,
    page: &Page,
    rows: u64,
    bytes: &[u8],
    codec: Codec,
    remade: &Remade<'_>,
) -> Result<Made> {
    let broken = |broken| malformed(page.offset, broken);
    let mut header = Struct::read(bytes).map_err(broken)?.0;
    let was = (page.packed, page.unpacked);
    let Remade { levels, encoded, delta, .. } = remade;
    let count = (page.count as u64).saturating_add_signed(delta.entries);
    let count = i32::try_from(count).map_err(|_| broken(Broken::Wrong("a page has too many values")))?;

    let is_v1 = matches!(page.kind, Kind::V1 { .. });
    let repetition = levels::write(&levels.repetition, column.max_rep_level(), is_v1);
    let definition = levels::write(&levels.definition, column.max_def_level(), is_v1);
    let mut body = Vec::new();
    let unpacked_length = match page.kind {
        Kind::V2 { packed, .. } => {
            let mut inner = inner(&header, header::DATA_V2).map_err(broken)?;
            let nulls = inner.int(data_v2::NUM_NULLS).map_err(broken)?.unwrap_or(0) + delta.nulls;
            inner.set_i32(data_v2::NUM_VALUES, count);
            inner.set_i32(data_v2::NUM_NULLS, i32::try_from(nulls.max(0)).unwrap_or(i32::MAX));
            inner.set_i32(data_v2::NUM_ROWS, fits(rows)?);
            inner.set_i32(data_v2::DEFINITION_LENGTH, fits(definition.len())?);
            inner.set_i32(data_v2::REPETITION_LENGTH, fits(repetition.len())?);
            restate(&mut inner, data_v2::STATISTICS, remade.statistics).map_err(broken)?;
            header.set_inner(header::DATA_V2, &inner);
            body.extend(&repetition);
            body.extend(&definition);
            if packed && !encoded.is_empty() {
                body.extend(codec.pack(encoded, was)?);
            } else {
                body.extend_from_slice(encoded);
            }
            repetition.len() + definition.len() + encoded.len()
        }
        _ => {
            let mut inner = inner(&header, header::DATA).map_err(broken)?;
            inner.set_i32(data::NUM_VALUES, count);
            restate(&mut inner, data::STATISTICS, remade.statistics).map_err(broken)?;
            header.set_inner(header::DATA, &inner);
            let length = repetition.len() + definition.len() + encoded.len();
            let mut whole = spare::take(length);
            [repetition.as_slice(), &definition, encoded].into_iter().for_each(|part| whole.extend_from_slice(part));
            body = codec.pack(&whole, was)?;
            spare::give(whole);
            length
        }
    };
    let made = finish_page(header, page, unpacked_length, &body);
    spare::give(body);
    made
}

/// A data page, of which `bytes` are header and body, with other statistics in its header.
fn reword(page: &Page, bytes: &[u8], statistics: Option<&[u8]>) -> Result<Made> {
    let broken = |broken| malformed(page.offset, broken);
    let mut header = Struct::read(bytes).map_err(broken)?.0;
    let (part, id) = page.statistics_at();
    let mut inner = inner(&header, part).map_err(broken)?;
    restate(&mut inner, id, statistics).map_err(broken)?;
    header.set_inner(part, &inner);
    let made = header.to_vec();
    let unpacked = (made.len() + page.unpacked) as u64;
    Ok(Made { bytes: [&made, &bytes[page.header..]].concat(), unpacked })
}

/// Puts new statistics of a page in.
fn restate(inner: &mut Struct<'_>, id: i16, statistics: Option<&[u8]>) -> std::result::Result<(), Broken> {
    if let Some(statistics) = statistics {
        inner.set_inner(id, &Struct::whole(statistics)?);
    }
    Ok(())
}

fn inner(header: &Struct<'_>, id: i16) -> std::result::Result<Struct<'static>, Broken> {
    let inner = header.inner(id)?.ok_or(Broken::Wrong("a page header lacks the part for its type"))?;
    Ok(inner.into_owned())
}

/// A size as the 32-bit number that page headers hold.
fn fits(size: impl TryInto<i32>) -> Result<i32> {
    size.try_into().map_err(|_| Error::Unfaithful("a page becomes too large for its header".into()))
}

/// Header and body in one, and the length of both before compression.
fn finish_page(mut header: Struct<'_>, page: &Page, unpacked: usize, body: &[u8]) -> Result<Made> {
    header.set_i32(header::UNCOMPRESSED_SIZE, fits(unpacked)?);
    header.set_i32(header::COMPRESSED_SIZE, fits(body.len())?);
    if page.crc.is_some() {
        header.set_i32(header::CRC, crc32fast::hash(body).cast_signed());
    }
    let mut bytes = header.to_vec();
    let unpacked = (bytes.len() + unpacked) as u64;
    bytes.reserve_exact(body.len());
    bytes.extend_from_slice(body);
    Ok(Made { bytes, unpacked })
}
