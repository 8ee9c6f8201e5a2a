package migrate

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The part of our configuration that a migration writes; see
// config/gateway.example.yaml for what each key means.
type (
	gateway struct {
		Server    server               `yaml:"server,omitempty"`
		Providers map[string]*provider `yaml:"providers,omitempty"`
		Models    map[string]*route    `yaml:"models,omitempty"`
		Auth      auth                 `yaml:"auth,omitempty"`
		Limits    *limits              `yaml:"limits,omitempty"`
		Cache     *cacheStore          `yaml:"cache,omitempty"`
		Redis     *redis               `yaml:"redis,omitempty"`
		Usage     *usage               `yaml:"usage,omitempty"`
	}
	server struct {
		Addr           string `yaml:"addr,omitempty"`
		Admin          *admin `yaml:"admin,omitempty"`
		RequestTimeout string `yaml:"request_timeout,omitempty"`
		StreamTimeout  string `yaml:"stream_timeout,omitempty"`
	}
	admin    struct{ Token string }
	provider struct {
		Type         string          `yaml:"type"`
		BaseURL      string          `yaml:"base_url,omitempty"`
		Keys         []string        `yaml:"keys,omitempty"`
		Organization string          `yaml:"organization,omitempty"`
		Project      string          `yaml:"project,omitempty"`
		Location     string          `yaml:"location,omitempty"`
		Credentials  string          `yaml:"credentials_file,omitempty"`
		APIVersion   string          `yaml:"api_version,omitempty"`
		Limits       *providerLimits `yaml:"limits,omitempty"`
		Breaker      *breaker        `yaml:"breaker,omitempty"`
		Retry        *retry          `yaml:"retry,omitempty"`
	}
	providerLimits struct {
		RPS         float64 `yaml:"rps,omitempty"`
		TPM         int     `yaml:"tpm,omitempty"`
		Concurrency int     `yaml:"concurrency,omitempty"`
	}
	breaker struct {
		MinRequests *int   `yaml:"min_requests,omitempty"`
		Cooldown    string `yaml:"cooldown,omitempty"`
	}
	retry struct {
		Max  *int   `yaml:"max,omitempty"`
		Base string `yaml:"base,omitempty"`
		Cap  string `yaml:"cap,omitempty"`
	}
	route struct {
		Aliases       []string    `yaml:"aliases,omitempty"`
		Strategy      string      `yaml:"strategy,omitempty"`
		Targets       []target    `yaml:"targets"`
		Retries       *int        `yaml:"retries,omitempty"`
		Timeout       string      `yaml:"timeout,omitempty"`
		StreamTimeout string      `yaml:"stream_timeout,omitempty"`
		Cache         *routeCache `yaml:"cache,omitempty"`
		LogBodies     bool        `yaml:"log_bodies,omitempty"`
	}
	target struct {
		Provider string `yaml:"provider"`
		Model    string `yaml:"model"`
		Weight   *int   `yaml:"weight,omitempty"`
	}
	routeCache struct {
		TTL string `yaml:"ttl"`
	}
	auth struct {
		Keys    []authKey         `yaml:"keys,omitempty"`
		Tenants map[string]tenant `yaml:"tenants,omitempty"`
	}
	authKey struct{ Name, Key string }
	tenant  struct{ Models []string }
	limits  struct {
		Concurrency int `yaml:"concurrency,omitempty"`
	}
	cacheStore struct {
		Store string `yaml:"store"`
	}
	redis struct {
		URL string `yaml:"url"`
	}
	usage struct {
		Database  string `yaml:"database,omitempty"`
		Retention string `yaml:"retention,omitempty"`
	}
)

var notInNames = regexp.MustCompile(`[^a-z0-9._-]+`)

// account returns the name of a provider, and makes it when no equal one is
// there. Apart is a further mark that keeps equal ones apart.
func (c *converter) account(want string, p provider, apart string) string {
	text, err := yaml.Marshal(p)
	if err != nil {
		return ""
	}
	mark := apart + "\x00" + string(text)
	if name, ok := c.providers[mark]; ok {
		return name
	}
	base := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(want), "-"), "-.")
	if base == "" {
		base = p.Type
	}
	name := base
	for n := 2; c.out.Providers[name] != nil; n++ {
		name = base + "-" + strconv.Itoa(n)
	}
	if c.out.Providers == nil {
		c.out.Providers = map[string]*provider{}
	}
	c.out.Providers[name] = &p
	c.providers[mark] = name
	return name
}

var (
	routeName = regexp.MustCompile(`^[^\s*"'\x00-\x1f\x7f]{1,128}$`)
	plainName = regexp.MustCompile(`^[^\s,=]+$`)
)

// route returns the route called name, new or known; nil = no route can have
// that name.
func (c *converter) route(name, path string) *route {
	if !routeName.MatchString(name) {
		c.leave(path, "%q cannot be the name of a route; its provider's models can be asked for as provider/model", name)
		return nil
	}
	if c.out.Models == nil {
		c.out.Models = map[string]*route{}
	}
	if c.out.Models[name] == nil {
		c.out.Models[name] = &route{}
	}
	return c.out.Models[name]
}

// routes takes out routes that ended up without a target, and strategies that
// mean nothing with one.
func (c *converter) routes() {
	for _, name := range slices.Sorted(maps.Keys(c.out.Models)) {
		r := c.out.Models[name]
		if len(r.Targets) == 0 {
			delete(c.out.Models, name)
			c.leave("model "+name, "none of its targets could be converted")
		}
		if len(r.Targets) == 1 {
			r.Strategy, r.Targets[0].Weight = "", nil
		}
	}
}

func number(n int) *int { return &n }

// seconds writes a time of the source, which is in seconds, as ours.
func seconds(f float64) string {
	if f <= 0 {
		return ""
	}
	if f = min(f, 1e6); f == math.Trunc(f) {
		return strconv.FormatInt(int64(f), 10) + "s"
	}
	return strconv.FormatInt(int64(max(f*1000, 1)), 10) + "ms"
}

// write returns the file: what is needed and what is missing, then the
// settings.
func (c *converter) write(from Format) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Converted from %s by \"llm-gateway migrate\". \"llm-gateway check\" says\n# whether it is good; config/gateway.example.yaml has every key.\n", from)
	if len(c.need) > 0 {
		b.WriteString("#\n# Variables that must be set:\n")
		for _, n := range c.need {
			fmt.Fprintf(&b, "#   %s\n", n)
		}
	}
	if len(c.left) > 0 {
		b.WriteString("#\n# Not carried over:\n")
		for _, l := range c.left {
			fmt.Fprintf(&b, "#   %s\n", l)
		}
	}
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&c.out); err != nil {
		return nil, err
	}
	return b.Bytes(), enc.Close()
}

// String returns the name, and where its value is found.
func (n Need) String() string {
	if n.From == "" {
		return n.Name
	}
	return n.Name + " (the value at " + n.From + ")"
}
