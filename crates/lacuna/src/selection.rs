//! Which sources a request goes to, and whether it can be asked of them at all.

use std::collections::BTreeSet;
use std::sync::Arc;

use lacuna_engine::Source;
use lacuna_scan::{Identifier, Selector, TenantId, TenantRule};

use crate::args::{Who, is_telling};
use crate::failure::{Failure, Result};
use crate::nearest::hint;
use crate::subjects;

/// The sources of these names, in the configuration's order; all of them when none is named.
pub(crate) fn sources(all: &[Source], names: &[String]) -> Result<Vec<Source>> {
    for name in names {
        if !all.iter().any(|source| source.name == *name) {
            let hint = hint(name, all.iter().map(|source| source.name.as_str()));
            if is_telling(name) {
                return Err(Failure::usage(format!("there is no such source; {hint}"))
                    .advice("Identifiers go behind --subject, as KIND=VALUE."));
            }
            return Err(Failure::usage(format!("there is no source `{name}`; {hint}")));
        }
    }
    if all.is_empty() {
        return Err(Failure::usage("the configuration has no `[[source]]`, so there is nothing to search"));
    }
    Ok(all.iter().filter(|source| names.is_empty() || names.contains(&source.name)).cloned().collect())
}

/// The sources that were not chosen.
pub(crate) fn others(all: &[Source], chosen: &[Source]) -> Vec<Source> {
    all.iter().filter(|source| !chosen.iter().any(|one| one.name == source.name)).cloned().collect()
}

/// Brings subject and tenant together, and checks that the sources can be asked for them.
fn selector(sources: &[Source], tenant: Option<&str>, identifiers: Vec<Identifier>) -> Result<Selector> {
    if identifiers.is_empty() {
        return Err(Failure::usage("nobody is asked for").advice(
            "Give identifiers with --subject KIND=VALUE, or one a line with --subjects FILE (`-` is standard input).",
        ));
    }
    check_kinds(sources, &identifiers)?;
    let tenant = tenant.map(TenantId::new);
    check_tenant(sources, tenant.as_ref())?;
    Ok(Selector { tenant, identifiers })
}

/// Refuses identifiers of a kind that none of the sources maps: mostly a slip, and nobody would be found by it, or held.
pub(crate) fn check_kinds(sources: &[Source], identifiers: &[Identifier]) -> Result<()> {
    let known: BTreeSet<&str> =
        sources.iter().flat_map(|source| source.mapping.fields()).map(|field| field.kind.as_str()).collect();
    match identifiers.iter().map(|identifier| identifier.kind.as_str()).find(|kind| !known.contains(kind)) {
        // What stands in a kind's place may be an identifier, as in `ann@contoso.com=email`.
        Some(kind) => {
            let hint = hint(kind, known.iter().copied());
            Err(Failure::usage(format!("no source maps identifiers of a kind that is asked for; {hint}")))
        }
        None => Ok(()),
    }
}

/// Whom the arguments name, person by person. Standard input may be read for it.
pub(crate) fn selectors(sources: &[Source], who: &Who) -> Result<Vec<Arc<Selector>>> {
    let together = selector(sources, who.tenant.as_deref(), subjects::read(who)?)?;
    Ok(if who.apart { apart(together) } else { vec![together.into()] })
}

/// Each identifier as a person of its own.
fn apart(together: Selector) -> Vec<Arc<Selector>> {
    let Selector { tenant, identifiers } = together;
    identifiers.into_iter().map(|one| Selector { tenant: tenant.clone(), identifiers: vec![one] }.into()).collect()
}

fn check_tenant(sources: &[Source], tenant: Option<&TenantId>) -> Result<()> {
    match tenant {
        None => match sources.iter().find(|source| !matches!(source.mapping.tenant, TenantRule::Single)) {
            Some(source) => {
                Err(Failure::usage(format!("source `{}` maps a tenant, so the request must name one", source.name))
                    .advice("Say whose rows the request may touch with --tenant ID."))
            }
            None => Ok(()),
        },
        Some(tenant) if tenant.as_str().is_empty() => Err(Failure::usage("the tenant's id is empty")),
        Some(tenant) => {
            // Where every source is of one fixed tenant, another's id can only be a slip: nothing would be searched.
            let fixed: Option<Vec<&TenantId>> = sources
                .iter()
                .map(|source| match &source.mapping.tenant {
                    TenantRule::Fixed(tenant) => Some(tenant),
                    TenantRule::Column(_) | TenantRule::Folder(_) | TenantRule::Single => None,
                })
                .collect();
            match fixed {
                Some(fixed) if !fixed.contains(&tenant) => {
                    let hint = hint(tenant.as_str(), fixed.iter().map(|tenant| tenant.as_str()));
                    Err(Failure::usage(format!("no source belongs to the tenant `{tenant}`; {hint}")))
                }
                _ => Ok(()),
            }
        }
    }
}
