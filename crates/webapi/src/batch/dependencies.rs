//! Which requests of a batch have to stay together.

use std::collections::HashMap;

use crate::error::{Error, Kind};

/// For each request the requests that it waits for, and the group that shares a batch with it.
pub(super) struct Dependencies {
    pub(super) on: Vec<Vec<usize>>,
    pub(super) group: Vec<usize>,
    /// Whether it is the only one of its group.
    pub(super) is_alone: Vec<bool>,
}

impl Dependencies {
    /// Resolves ids (whatever their case) and finds the groups.
    ///
    /// # Errors
    /// An id that is not there, requests that wait for each other, and a group larger than `most`.
    pub(super) fn resolve(ids: &[&str], named: &[&[String]], most: usize) -> Result<Self, Error> {
        let refused = |reason: String| Err(Error::new(Kind::InvalidRequest(reason)));
        let places: HashMap<String, usize> =
            ids.iter().enumerate().map(|(index, id)| (id.to_ascii_lowercase(), index)).collect();
        let mut on = Vec::with_capacity(ids.len());
        for (index, names) in named.iter().enumerate() {
            let mut waits_for = Vec::with_capacity(names.len());
            for name in *names {
                match places.get(&name.to_ascii_lowercase()) {
                    Some(place) => waits_for.push(*place),
                    None => {
                        return refused(format!(
                            "the batch request `{}` depends on `{name}`, which is not there",
                            ids[index]
                        ));
                    }
                }
            }
            on.push(waits_for);
        }
        if let Some(index) = on_a_circle(&on) {
            return refused(format!("the batch request `{}` waits for itself", ids[index]));
        }
        let group = groups(&on);
        let mut sizes: HashMap<usize, usize> = HashMap::new();
        for of in &group {
            *sizes.entry(*of).or_default() += 1;
        }
        let is_alone = group.iter().map(|of| sizes.get(of) == Some(&1)).collect();
        if let Some((of, size)) = sizes.into_iter().find(|(_, size)| *size > most) {
            return refused(format!(
                "{size} batch requests depend on each other (`{}` and others), and a batch holds {most}",
                ids[of]
            ));
        }
        Ok(Self { on, group, is_alone })
    }
}

/// A request that waits for itself, if there is one: what is left when all that can go has gone.
fn on_a_circle(on: &[Vec<usize>]) -> Option<usize> {
    let mut waiting: Vec<usize> = on.iter().map(Vec::len).collect();
    let mut dependants = vec![Vec::new(); on.len()];
    for (index, before) in on.iter().enumerate() {
        before.iter().for_each(|&before| dependants[before].push(index));
    }
    let mut free: Vec<usize> = (0..on.len()).filter(|&index| waiting[index] == 0).collect();
    while let Some(index) = free.pop() {
        for &dependant in &dependants[index] {
            waiting[dependant] -= 1;
            if waiting[dependant] == 0 {
                free.push(dependant);
            }
        }
    }
    waiting.iter().position(|&left| left > 0)
}

/// The lowest index of each request's group.
fn groups(on: &[Vec<usize>]) -> Vec<usize> {
    fn root(of: &mut [usize], mut index: usize) -> usize {
        while of[index] != index {
            of[index] = of[of[index]];
            index = of[index];
        }
        index
    }
    let mut of: Vec<usize> = (0..on.len()).collect();
    for (index, before) in on.iter().enumerate() {
        for &before in before {
            let (a, b) = (root(&mut of, index), root(&mut of, before));
            of[a.max(b)] = a.min(b);
        }
    }
    (0..on.len()).map(|index| root(&mut of, index)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(edges: &[(&str, &[&str])], most: usize) -> Result<Dependencies, Error> {
        let ids: Vec<&str> = edges.iter().map(|(id, _)| *id).collect();
        let named: Vec<Vec<String>> =
            edges.iter().map(|(_, on)| on.iter().map(|id| (*id).to_owned()).collect()).collect();
        Dependencies::resolve(&ids, &named.iter().map(Vec::as_slice).collect::<Vec<_>>(), most)
    }

    // BT-2
    #[test]
    fn what_depends_on_each_other_is_a_group() {
        let found =
            resolve(&[("a", &[]), ("b", &["A"]), ("x", &[]), ("y", &["x"]), ("c", &["b"])], 3).unwrap();
        assert_eq!((found.group, found.on[4].as_slice()), (vec![0, 0, 2, 2, 0], &[1][..]));
    }

    // BT-2
    #[test]
    fn a_circle_an_unknown_id_and_a_group_too_large_are_refused() {
        let said = |edges: &[(&str, &[&str])]| resolve(edges, 2).err().unwrap().to_string();
        assert!(said(&[("a", &["b"]), ("b", &["a"])]).contains("waits for itself"));
        assert!(said(&[("a", &["a"])]).contains("waits for itself"));
        assert!(said(&[("a", &["z"])]).contains("`z`, which is not there"));
        assert!(said(&[("a", &[]), ("b", &["a"]), ("c", &["a"])]).contains("3 batch requests depend"));
    }
}
