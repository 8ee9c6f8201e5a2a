package migrate

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// channelType is what a type number of a channel is here.
type channelType struct {
	kind   string
	base   string // where ours would go elsewhere
	suffix string // what ours has behind a base URL of theirs
	name   string // of types that share a kind
}

// commonTypes are the numbers that both programs use alike.
func commonTypes() map[int]channelType {
	return map[int]channelType{
		1: {kind: "openai", suffix: "/v1"}, 3: {kind: "azure-openai"}, 8: {kind: "openai", suffix: "/v1", name: "custom"},
		14: {kind: "anthropic"}, 16: {kind: "zhipu", suffix: "/api/paas/v4"}, 17: {kind: "dashscope", suffix: "/api/v1"},
		20: {kind: "openrouter", suffix: "/v1"}, 24: {kind: "gemini"},
		25: {kind: "moonshot", base: "https://api.moonshot.cn/v1", suffix: "/v1"},
	}
}

// oneAPITypes are the numbers of one-api (relay/channeltype).
func oneAPITypes() map[int]channelType {
	return with(commonTypes(), map[int]channelType{
		28: {kind: "mistral", suffix: "/v1"}, 29: {kind: "groq", suffix: "/v1"}, 30: {kind: "ollama", suffix: "/v1"},
		31: {kind: "openai", base: "https://api.lingyiwanwu.com/v1", suffix: "/v1", name: "lingyiwanwu"},
		32: {kind: "openai", base: "https://api.stepfun.com/v1", suffix: "/v1", name: "stepfun"},
		36: {kind: "deepseek"}, 39: {kind: "together", suffix: "/v1"}, 40: {kind: "ark", suffix: "/api/v3"},
	})
}

// newAPITypes are the numbers of new-api (constant/channel.go).
func newAPITypes() map[int]channelType {
	return with(commonTypes(), map[int]channelType{
		4: {kind: "ollama", suffix: "/v1"}, 26: {kind: "zhipu", suffix: "/api/paas/v4"},
		27: {kind: "openai", base: "https://api.perplexity.ai", name: "perplexity"},
		31: {kind: "openai", base: "https://api.lingyiwanwu.com/v1", suffix: "/v1", name: "lingyiwanwu"},
		40: {kind: "openai", base: "https://api.siliconflow.cn/v1", suffix: "/v1", name: "siliconflow"},
		42: {kind: "mistral", suffix: "/v1"}, 43: {kind: "deepseek"}, 45: {kind: "ark", suffix: "/api/v3"},
		47: {kind: "openai", suffix: "/v1", name: "xinference"}, 48: {kind: "xai", suffix: "/v1"},
	})
}

func with(all, more map[int]channelType) map[int]channelType {
	for n, t := range more {
		all[n] = t
	}
	return all
}

// offer is a channel's target for one model.
type offer struct {
	target
	priority, weight int
}

// channels converts a list of channels, bare or in an answer of the API.
func (c *converter) channels(b []byte, types map[int]channelType) error {
	n, err := document(b)
	if err != nil {
		return err
	}
	for range 3 { // {"data": {"items": [...]}}
		o := newObject(n, "")
		if inner := cmp.Or(o.take("data"), o.take("items"), o.take("channels")); inner != nil {
			n = inner
		}
	}
	if n.Kind != yaml.SequenceNode {
		return errors.New("there is no list of channels")
	}
	models, groups := map[string][]offer{}, map[string][]string{}
	for i, one := range n.Content {
		c.channel(newObject(one, fmt.Sprintf("channels[%d]", i)), types, models, groups)
	}
	for _, name := range slices.Sorted(maps.Keys(models)) {
		c.offers(name, models[name])
	}
	c.groups(groups)
	return nil
}

// channel converts one channel: an account, and a target in the route of each
// of its models.
func (c *converter) channel(o *object, types map[int]channelType, models map[string][]offer, groups map[string][]string) {
	name := cmp.Or(o.text("name"), "channel-"+cmp.Or(o.text("id"), "0"))
	kind, ok := types[o.whole("type")]
	switch {
	case !ok:
		c.leave(o.path, "channel %q: type %s is not one that the gateway has", name, o.text("type"))
		return
	case o.text("status") != "" && o.text("status") != "1":
		c.leave(o.path, "channel %q is switched off", name)
		return
	}
	p := c.channelProvider(o, kind, name)
	account := c.account(name, p, name)
	mapping := c.mapping(o)
	priority, weight := o.whole("priority"), max(o.whole("weight"), 1)
	names := strings.Split(o.text("models"), ",")
	if n := o.take("models"); n != nil && n.Kind == yaml.SequenceNode {
		names = o.texts("models")
	}
	for _, asked := range names {
		if asked = strings.TrimSpace(asked); asked == "" {
			continue
		}
		upstream := cmp.Or(mapping[asked], asked)
		models[asked] = append(models[asked], offer{target{Provider: account, Model: upstream}, priority, min(weight, 1_000_000)})
		for _, g := range strings.Split(cmp.Or(o.text("group"), "default"), ",") {
			if g = strings.TrimSpace(g); !slices.Contains(groups[g], asked) {
				groups[g] = append(groups[g], asked)
			}
		}
	}
	c.channelRest(o)
}

// channelRest reports what a channel sets beyond its defaults, and not what
// merely counts or dates.
func (c *converter) channelRest(o *object) {
	for _, key := range o.order {
		v := strings.Trim(o.text(key), "{}[] ")
		switch key {
		case "id", "created_time", "test_time", "response_time", "balance", "balance_updated_time", "used_quota", "auto_ban", "tag", "remark",
			"test_model", "name", "type", "key", "status", "weight", "priority", "base_url", "models", "model_mapping", "group", "other", "channel_info":
		default:
			if n := o.take(key); n != nil && (n.Kind != yaml.ScalarNode || v != "" && v != "0" && v != "false") && len(n.Content)+len(v) > 0 {
				c.leave(o.at(key), "has no counterpart here, or was not understood")
			}
		}
	}
}

func (c *converter) channelProvider(o *object, kind channelType, name string) provider {
	p := provider{Type: kind.kind, BaseURL: strings.TrimRight(c.plain(o.scalar("base_url")), "/")}
	switch {
	case p.BaseURL == "":
		p.BaseURL = kind.base
	case kind.suffix != "" && !strings.HasSuffix(p.BaseURL, kind.suffix) && !strings.HasSuffix(p.BaseURL, "/chat/completions"):
		p.BaseURL += kind.suffix
	}
	keys := o.scalar("key")
	for _, key := range strings.Split(keys.text, "\n") {
		if k := c.secret(value{keys.path, key}, name+"_KEY"); k != "" {
			p.Keys = append(p.Keys, k)
		}
	}
	if kind.kind == "azure-openai" {
		p.APIVersion = c.plain(o.scalar("other"))
	}
	return p
}

// mapping reads model_mapping, which is an object or its text.
func (c *converter) mapping(o *object) map[string]string {
	n := o.take("model_mapping")
	if n != nil && n.Kind == yaml.ScalarNode {
		if strings.TrimSpace(n.Value) == "" {
			return nil
		}
		inner, err := document([]byte(n.Value))
		if err != nil || inner.Kind != yaml.MappingNode {
			c.leave(o.at("model_mapping"), "is no JSON object")
			return nil
		}
		n = inner
	}
	m, all := newObject(n, o.at("model_mapping")), map[string]string{}
	for _, from := range m.order {
		all[from] = m.text(from)
	}
	return all
}

// offers makes a route: the channels of the highest priority share its calls by
// weight, the others answer when those fail, in the order of their priorities.
func (c *converter) offers(name string, offers []offer) {
	r := c.route(name, "model "+name)
	if r == nil {
		return
	}
	slices.SortStableFunc(offers, func(a, b offer) int { return cmp.Compare(b.priority, a.priority) })
	top := 0
	for top < len(offers) && offers[top].priority == offers[0].priority {
		top++
	}
	r.Strategy = "ordered"
	if top > 1 {
		r.Strategy = "weighted"
	}
	for i, o := range offers {
		switch {
		case !routeName.MatchString(o.Model):
			c.leave("model "+name, "%q is no name of a model", o.Model)
			continue
		case top > 1 && i < top:
			o.Weight = number(o.weight)
		case top > 1:
			o.Weight = number(0)
		}
		r.Targets = append(r.Targets, o.target)
	}
}

// groups makes a tenant of each group, where there is more than one.
func (c *converter) groups(groups map[string][]string) {
	if len(groups) < 2 {
		return
	}
	c.out.Auth.Tenants = map[string]tenant{}
	for _, g := range slices.Sorted(maps.Keys(groups)) {
		models := slices.DeleteFunc(slices.Clone(groups[g]), func(m string) bool { return c.out.Models[m] == nil })
		if !plainName.MatchString(g) || len(models) == 0 {
			c.leave("group "+g, "is no tenant here")
			continue
		}
		slices.Sort(models)
		c.out.Auth.Tenants[g] = tenant{Models: models}
	}
	c.leave("groups", "each is a tenant that may ask for its models; make keys for it. Which of a model's channels serve a group is not kept apart")
}
