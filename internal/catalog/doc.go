// Package catalog knows models: which provider sells them, how large they are,
// what they can do, where their provider's interface treats them differently,
// and what they cost on a given day. It takes its facts from a JSON file
// (config/prices.json is the built-in one) and holds none in code. A Catalog
// is immutable and safe for concurrent use.
//
// # The file
//
// One object with these members; any other is an error.
//
//   - schema: "llm-gateway-prices/1".
//   - as_of: the day on which the facts were gathered, YYYY-MM-DD.
//   - about: remarks for readers, an array of strings.
//   - sells: for a kind of provider whose models stand under other names, those
//     names: {"vertex": ["gemini", "anthropic"]}.
//   - families: what is true of all models whose names begin with one of
//     prefixes, unless a longer prefix matches or the model's own entry says
//     otherwise: provider, prefixes, and the traits below.
//   - models: the entries.
//
// An entry has id, provider, and optionally:
//
//   - kind: chat (default) or embed. status: current (default), legacy, retired.
//   - aliases: other names of exactly this model. A dated or numbered snapshot
//     (-2024-08-06, -20250929, @20250929, -001, -latest) of a model needs no
//     alias, only an entry of its own when it differs.
//   - context_window, max_output: in tokens; dimensions of an embedding.
//   - traits: see below. note: a remark. unconfirmed: true when only one source
//     gives the price, or part of it was derived.
//   - prices: one for each period, in order of from (a day, UTC; the first may
//     leave it out: since ever). A model without prices, or asked for on a day
//     before the first, has an unknown price, which is not zero.
//
// An id that ends in * stands for all names with that beginning which have no
// entry of their own.
//
// A price is in US dollars per million tokens, as decimal strings with at most
// six decimals: input and output; cached_input (absent: as input);
// cache_write_5m (absent: as input), which also holds for caches of other short
// lifetimes; cache_write_1h (absent: as cache_write_5m); output_thinking for
// reasoning tokens (absent: as output). tiers replace the whole price for a
// request with more than above input tokens, those read from and written to a
// cache included. service_tiers are shares of all of it, for calls that the
// provider says it served so: {"flex": "0.5", "priority": "2"}, also batch; at
// most three decimals. A tier that is not there has an unknown price.
//
// The traits are capabilities (chat, embed, tools, images, json_schema,
// reasoning, audio), thinking, sampling, stream_only and responses_only; Traits
// says what they mean.
//
// # Families
//
// No public price list says what a model can do, so capabilities come from
// families: the providers' documentation of a generation, which holds for all
// its models but those that a longer prefix or an entry takes out.
package catalog
