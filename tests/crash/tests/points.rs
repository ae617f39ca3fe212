//! That the table of fail points is what stands in the code.

use std::collections::BTreeSet;
use std::path::Path;

use storkit::sys::failpoint::POINTS;

fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("the sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source");
            for statement in text.split("reach(").skip(1).filter_map(|rest| rest.split(");").next()) {
                let strings = statement.split('"').skip(1).step_by(2);
                found.extend(strings.filter(|name| name.contains('.')).map(str::to_owned));
            }
        }
    }
}

#[test]
fn every_point_of_the_table_is_in_the_code_and_the_other_way_round() {
    let mut found = BTreeSet::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../server/src"), &mut found);
    let table: BTreeSet<String> = POINTS.iter().map(|point| (*point).to_owned()).collect();
    assert_eq!(table.len(), POINTS.len(), "a name stands twice in the table");
    assert_eq!(found, table);
}
