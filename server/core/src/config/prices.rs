//! `[[price]]`: what models' tokens cost. The first that fits a model counts.

use super::keys;
use super::raw::{Log, Section};
use crate::price::Price;

/// The prices, in the file's order.
pub(super) fn read(log: &mut Log<'_>, top: &Section<'_>) -> Vec<Price> {
    let mut prices = Vec::new();
    for section in top.sections(log, "price", keys::PRICE, |_, _| false) {
        let model = section.text(log, "model").map(|model| model.value);
        let (input, output) = (section.money(log, "input"), section.money(log, "output"));
        let (cache_read, cache_write) = (section.money(log, "cache_read"), section.money(log, "cache_write"));
        for name in ["model", "input", "output"] {
            if section.at(name).is_none() {
                let hint = "e.g. `model = \"gpt-5*\"`, `input = 1.25`, `output = 10.0`: US dollars for a million tokens";
                log.error(section.at, format!("`[[price]]` has no `{name}`."), hint);
            }
        }
        if let (Some(model), Some(input), Some(output)) = (model, input, output) {
            prices.push(Price { model, input, output, cache_read, cache_write });
        }
    }
    prices
}

#[cfg(test)]
mod tests {
    use crate::config::{parse, show};

    #[test]
    fn prices_are_read_in_order_and_shown_as_they_are() {
        let text = "[[price]]\nmodel = \"gpt-5*\"\ninput = 1.25\noutput = 10\ncache_read = 0.125\n\
                    [[price]]\nmodel = \"*\"\ninput = 0\noutput = 0.5\n";
        let config = parse(text).expect("good").config;
        let seen: Vec<_> =
            config.prices.iter().map(|p| (&*p.model, p.input, p.cache_read, p.cache_write)).collect();
        assert_eq!(seen, [("gpt-5*", 1.25, Some(0.125), None), ("*", 0.0, None, None)]);
        let again = parse(&show(&config)).expect("what is shown reads back").config;
        assert_eq!(again.prices, config.prices);
    }

    #[test]
    fn a_price_needs_a_model_and_both_directions() {
        for missing in ["model", "input", "output"] {
            let keys = [("model", "\"m\""), ("input", "1"), ("output", "2")];
            let lines = keys.iter().filter(|(name, _)| *name != missing);
            let text = lines.map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join("\n");
            let problems = parse(&format!("[[price]]\n{text}")).expect_err(missing);
            assert!(problems[0].message.contains(missing), "{problems:?}");
        }
        assert!(parse("[[price]]\nmodel = \"m\"\ninput = -1\noutput = 2\n").is_err());
    }
}
