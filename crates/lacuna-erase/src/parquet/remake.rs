//! Pages of a changed chunk, made again: the same kind of page, the same encoding, the same codec.

use parquet::data_type::DataType;

use super::chunk::{Job, Made, PagePlan, Plan, UNUSED, decode_dictionary, edit};
use super::edit::Edited;
use super::footer::malformed;
use super::levels;
use super::page::{Kind, Page, Unpacked, data, data_v2, dictionary, header};
use super::statistics::Delta;
use super::thrift::{Broken, Struct};
use super::values::{blank, decode, decode_indices, encode, encode_indices, with_type};
use crate::{Error, Result};

/// Makes the `at`th page of a chunk again.
pub(super) fn make(job: Job<'_>, plan: &Plan, at: usize) -> Result<Made> {
    with_type!(job.column.physical_type(), T => make_typed::<T>(job, plan, at))
}

fn make_typed<T: DataType>(job: Job<'_>, plan: &Plan, at: usize) -> Result<Made> {
    let page_plan = &plan.pages[at];
    let page = page_plan.page;
    let broken = |broken| malformed(page.offset, broken);
    let bytes = job.input.read_at(page.range())?;
    let mut header = Struct::read(&bytes).map_err(broken)?.0;
    let mut codec = plan.codec;
    let was = (page.packed, page.unpacked);

    if page.kind == Kind::Dictionary {
        let encoded = page.unpack_dictionary(&bytes, &mut codec)?;
        let mut values = decode_dictionary::<T>(job, page, encoded)?;
        if !plan.dictionary.moved.is_empty() {
            let mut moved = plan.dictionary.moved.iter();
            values.retain(|_| moved.next().is_some_and(|&index| index != UNUSED));
        }
        if plan.dictionary.adds_blank {
            values.push(blank::<T>(job.column, job.limits)?);
        }
        let body = encode::<T>(&values, parquet::basic::Encoding::PLAIN, job.column)?;
        let mut inner = inner(&header, header::DICTIONARY).map_err(broken)?;
        inner.set_i32(dictionary::NUM_VALUES, fits(values.len())?);
        if plan.dictionary.adds_blank {
            inner.remove(dictionary::IS_SORTED);
        }
        header.set_inner(header::DICTIONARY, &inner);
        let packed = codec.pack(&body, was)?;
        return finish_page(header, page, body.len(), &packed);
    }

    let unpacked = page.unpack(&bytes, &mut codec, job.column)?;
    let empty = blank::<T>(job.column, job.limits)?;
    let (levels, encoded, delta) = if page.is_dictionary_encoded() {
        let width = unpacked.encoded.first().copied().unwrap_or(0);
        let indices = decode_indices(&unpacked.encoded, unpacked.values, usize::MAX, page.offset)?;
        let edited = edit_if(job, page_plan, &unpacked, indices, &UNUSED);
        let moved = |index: u32| match index {
            UNUSED => plan.dictionary.blank,
            index => plan.dictionary.moved.get(index as usize).copied().unwrap_or(index),
        };
        let indices: Vec<u32> = edited.values.into_iter().map(moved).collect();
        (edited.levels, encode_indices(&indices, width), edited.delta)
    } else {
        let encoded = unpacked.encoded.clone();
        let values = decode::<T>(encoded, page.encoding, unpacked.values, job.column, job.limits, page.offset)?;
        let edited = edit_if(job, page_plan, &unpacked, values, &empty);
        let encoded = encode::<T>(&edited.values, page.encoding, job.column)?.to_vec();
        (edited.levels, encoded, edited.delta)
    };
    let count = if levels.definition.is_empty() && levels.repetition.is_empty() {
        (page.count as u64).saturating_add_signed(delta.entries)
    } else {
        levels.definition.len().max(levels.repetition.len()) as u64
    };
    let count = i32::try_from(count).map_err(|_| broken(Broken::Wrong("a page has too many values")))?;

    let is_v1 = matches!(page.kind, Kind::V1 { .. });
    let repetition = levels::write(&levels.repetition, job.column.max_rep_level(), is_v1);
    let definition = levels::write(&levels.definition, job.column.max_def_level(), is_v1);
    let mut body = Vec::new();
    let unpacked_length = match page.kind {
        Kind::V2 { packed, .. } => {
            let mut inner = inner(&header, header::DATA_V2).map_err(broken)?;
            let nulls = inner.int(data_v2::NUM_NULLS).map_err(broken)?.unwrap_or(0) + delta.nulls;
            inner.set_i32(data_v2::NUM_VALUES, count);
            inner.set_i32(data_v2::NUM_NULLS, i32::try_from(nulls.max(0)).unwrap_or(i32::MAX));
            inner.set_i32(data_v2::NUM_ROWS, fits(page_plan.rows)?);
            inner.set_i32(data_v2::DEFINITION_LENGTH, fits(definition.len())?);
            inner.set_i32(data_v2::REPETITION_LENGTH, fits(repetition.len())?);
            restate(&mut inner, data_v2::STATISTICS, page_plan).map_err(broken)?;
            header.set_inner(header::DATA_V2, &inner);
            body.extend(&repetition);
            body.extend(&definition);
            if packed && !encoded.is_empty() {
                body.extend(codec.pack(&encoded, was)?);
            } else {
                body.extend(&encoded);
            }
            repetition.len() + definition.len() + encoded.len()
        }
        _ => {
            let mut inner = inner(&header, header::DATA).map_err(broken)?;
            inner.set_i32(data::NUM_VALUES, count);
            restate(&mut inner, data::STATISTICS, page_plan).map_err(broken)?;
            header.set_inner(header::DATA, &inner);
            let whole = [repetition, definition, encoded].concat();
            body = codec.pack(&whole, was)?;
            whole.len()
        }
    };
    finish_page(header, page, unpacked_length, &body)
}

/// Applies the job to a page that has matched rows; others pass through.
fn edit_if<V: Clone>(job: Job<'_>, plan: &PagePlan, unpacked: &Unpacked, values: Vec<V>, blank: &V) -> Edited<V> {
    if plan.is_hit {
        return edit(job, plan.span, plan.page.count, unpacked, values, blank);
    }
    let delta = Delta::new(job.column.max_rep_level(), job.column.max_def_level());
    Edited { levels: unpacked.levels.clone(), values, left: Vec::new(), delta }
}

/// Puts the statistics of a changed page in.
fn restate(inner: &mut Struct<'_>, id: i16, plan: &PagePlan) -> std::result::Result<(), Broken> {
    if plan.is_hit {
        match &plan.statistics {
            Some(statistics) => inner.set_inner(id, &Struct::whole(statistics)?),
            None => inner.remove(id),
        }
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
fn finish_page(mut header: Struct<'_>, page: Page, unpacked: usize, body: &[u8]) -> Result<Made> {
    header.set_i32(header::UNCOMPRESSED_SIZE, fits(unpacked)?);
    header.set_i32(header::COMPRESSED_SIZE, fits(body.len())?);
    if page.crc.is_some() {
        header.set_i32(header::CRC, crc32fast::hash(body).cast_signed());
    }
    let mut bytes = header.to_vec();
    let unpacked = (bytes.len() + unpacked) as u64;
    bytes.extend_from_slice(body);
    Ok(Made { bytes, unpacked })
}
