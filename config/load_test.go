package config

import "testing"

func TestClassicThree(t *testing.T) {
	c, err := Load(Source{LookupEnv: lookup(map[string]string{
		"OPENAI_API_KEY": "sk-test-0000", "MODEL_NAME": "gpt-4o", "BASE_URL": "https://host.example/v1/chat/completions",
	})})
	if err != nil {
		t.Fatal(err)
	}
	p := c.Providers["openai"]
	if p == nil || p.BaseURL != "https://host.example/v1" || len(p.Keys) != 1 || p.Keys[0].Reveal() != "sk-test-0000" {
		t.Errorf("provider = %+v", p)
	}
	if c.DefaultModel != "gpt-4o" || c.DefaultProvider != "openai" || c.MockFallback {
		t.Errorf("model %q provider %q mock %v", c.DefaultModel, c.DefaultProvider, c.MockFallback)
	}
	if c.Limits.RPS != 100 || c.Limits.Burst != 200 || c.Server.Addr != DefaultAddr {
		t.Errorf("limits %+v addr %q", c.Limits, c.Server.Addr)
	}
}

func TestNoCredentialMeansMock(t *testing.T) {
	c, err := Load(Source{})
	if err != nil {
		t.Fatal(err)
	}
	if !c.MockFallback || c.DefaultProvider != "mock" || c.DefaultModel != "mock" || c.Providers["mock"].Type != KindMock {
		t.Errorf("%+v", c)
	}
}
