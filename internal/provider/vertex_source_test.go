package provider

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/providertest"
)

// testRSA is a key that guards nothing, made once for all tests.
var testRSA = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("PRIVATE KEY", der)
}

// keyFile returns a service account's credentials file.
func keyFile(t testing.TB, tokenURI string) []byte {
	t.Helper()
	b, err := json.Marshal(googleKey{
		Type: "service_account", ProjectID: "file-project", KeyID: "kid-1", Email: "robot@file-project.iam.gserviceaccount.com",
		PrivateKey: pkcs8(t, testRSA()), TokenURI: tokenURI,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tokenServer answers token exchanges as f says.
func tokenServer(t testing.TB, f http.HandlerFunc) (*httptest.Server, *http.Client) {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	tr := NewTransport(TransportOptions{})
	t.Cleanup(tr.CloseIdleConnections)
	return s, NewClient(tr)
}

func answerToken(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Write([]byte(`{"access_token":"ya29.test-token","expires_in":3599,"token_type":"Bearer"}`)) //nolint:errcheck // a test's answer
}

func TestServiceAccount(t *testing.T) {
	clock := newTestClock()
	var form url.Values
	s, client := tokenServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.ParseForm() != nil {
			t.Errorf("%s %v", r.Method, r.Header)
		}
		form = r.PostForm
		answerToken(w, r)
	})
	src, key, err := readGoogleKey(keyFile(t, s.URL), client, clock.Now)
	if err != nil || key.ProjectID != "file-project" {
		t.Fatal(err)
	}
	tok, err := src.Token(t.Context())
	if err != nil || tok.Value.Plain()[0] != "ya29.test-token" || tok.Life != 3599*time.Second {
		t.Fatalf("%v, %v", tok, err)
	}
	if form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || len(form) != 2 {
		t.Errorf("%v", form)
	}
	checkAssertion(t, form.Get("assertion"), s.URL, clock.Now())
}

func checkAssertion(t *testing.T, jwt, audience string, now time.Time) {
	t.Helper()
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		t.Fatalf("%q", jwt)
	}
	var raw [3][]byte
	for i := range parts {
		var err error
		if raw[i], err = base64.RawURLEncoding.DecodeString(parts[i]); err != nil {
			t.Fatal(err)
		}
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&testRSA().PublicKey, crypto.SHA256, sum[:], raw[2]); err != nil {
		t.Errorf("signature: %v", err)
	}
	if string(raw[0]) != `{"alg":"RS256","typ":"JWT","kid":"kid-1"}` {
		t.Errorf("head %s", raw[0])
	}
	var claims map[string]any
	if err := json.Unmarshal(raw[1], &claims); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"iss": "robot@file-project.iam.gserviceaccount.com", "scope": "https://www.googleapis.com/auth/cloud-platform",
		"aud": audience, "iat": float64(now.Unix()), "exp": float64(now.Unix() + 3600)}
	for k, v := range want {
		if claims[k] != v {
			t.Errorf("%s: %v, want %v", k, claims[k], v)
		}
	}
}

func TestUserAccount(t *testing.T) {
	var form url.Values
	s, client := tokenServer(t, func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm() //nolint:errcheck // seen in the form
		form = r.PostForm
		answerToken(w, r)
	})
	src, _, err := readGoogleKey([]byte(`{"type":"authorized_user","client_id":"id","client_secret":"hush","refresh_token":"1//again","token_uri":"`+s.URL+`"}`), client, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	if form.Get("grant_type") != "refresh_token" || form.Get("refresh_token") != "1//again" || form.Get("client_id") != "id" || form.Get("client_secret") != "hush" {
		t.Errorf("%v", form)
	}
}

func TestMetadataServer(t *testing.T) {
	flavor := "Google"
	s, client := tokenServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Metadata-Flavor") != "Google" || r.URL.Path != metadataPath || r.URL.Query().Get("scopes") != googleScope {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		w.Header().Set("Metadata-Flavor", flavor)
		answerToken(w, r)
	})
	src := newMetadataServer(strings.TrimPrefix(s.URL, "http://"), client)
	if tok, err := src.Token(t.Context()); err != nil || tok.Value.Empty() {
		t.Fatalf("%v, %v", tok, err)
	}
	flavor = ""
	if _, err := src.Token(t.Context()); kindOf(t, err) != llm.KindUpstreamAuth {
		t.Errorf("an impostor: %v", err)
	}
}

func TestTokenServerFails(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc
		kind   llm.Kind
	}{
		{"revoked", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			w.Write([]byte(`{"error":"invalid_grant","error_description":"Invalid grant: account robot@file-project.iam.gserviceaccount.com not found"}`)) //nolint:errcheck // a test's answer
		}, llm.KindUpstreamAuth},
		{"HTML", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusForbidden) }, llm.KindUpstreamAuth},
		{"down", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "oops", http.StatusServiceUnavailable) }, llm.KindUpstreamError},
		{"limited", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "oops", http.StatusTooManyRequests) }, llm.KindUpstreamError},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/else", http.StatusFound) }, llm.KindUpstreamAuth},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("token")) }, llm.KindUpstreamError},                    //nolint:errcheck // a test's answer
		{"no token", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"id_token":"x"}`)) }, llm.KindUpstreamError},        //nolint:errcheck // a test's answer
		{"no lifetime", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"access_token":"x"}`)) }, llm.KindUpstreamError}, //nolint:errcheck // a test's answer
		{"no header value", func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte(`{"access_token":"x\ny","expires_in":9}`))
		}, llm.KindUpstreamError}, //nolint:errcheck // a test's answer
		{"cut", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			w.Write([]byte(`{"acc`))
		}, llm.KindUpstreamError}, //nolint:errcheck // a test's answer
		{"endless", func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte(`{"access_token":"` + strings.Repeat("x", 1<<20)))
		}, llm.KindUpstreamError}, //nolint:errcheck // a test's answer
		{"hang-up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, llm.KindUpstreamError},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, client := tokenServer(t, tc.answer)
			file := keyFile(t, s.URL)
			src, key, err := readGoogleKey(file, client, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			_, err = src.Token(t.Context())
			if kindOf(t, err) != tc.kind {
				t.Errorf("%v", err)
			}
			providertest.CheckSecret(t, err, key.Email)
			providertest.CheckSecret(t, err, "PRIVATE KEY")
			if e := llm.AsError(err); strings.Contains(e.Message, "127.0.0.1") || e.Message == "" {
				t.Errorf("message %q", e.Message)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		src := newMetadataServer("127.0.0.1:1", NewClient(NewTransport(TransportOptions{})))
		if _, err := src.Token(t.Context()); kindOf(t, err) != llm.KindUpstreamError {
			t.Errorf("%v", err)
		}
	})
	t.Run("too slow", func(t *testing.T) {
		hold := make(chan struct{})
		s, client := tokenServer(t, func(http.ResponseWriter, *http.Request) { <-hold })
		t.Cleanup(func() { close(hold) })
		src, _, err := readGoogleKey(keyFile(t, s.URL), client, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := src.Token(ctx); kindOf(t, err) != llm.KindTimeout {
			t.Errorf("%v", err)
		}
	})
}

func TestCredentialsFilesThatAreNone(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	service := func(key, more string) string {
		return `{"type":"service_account","client_email":"a@b.c","private_key":` + quoted(key) + more + `}`
	}
	good := pkcs8(t, testRSA())
	for name, file := range map[string]string{
		"no JSON":       `hunter2`,
		"no type":       `{"private_key":"hunter2"}`,
		"federation":    `{"type":"external_account","audience":"hunter2"}`,
		"no PEM":        service("hunter2", ""),
		"no key in it":  service(pemOf("PRIVATE KEY", []byte("hunter2")), ""),
		"another key":   service(pkcs8(t, ec), ""),
		"no address":    `{"type":"service_account","private_key":` + quoted(good) + `}`,
		"in the clear":  service(good, `,"token_uri":"http://tokens.example/hunter2"`),
		"no URL":        service(good, `,"token_uri":"hunter2"`),
		"with password": service(good, `,"token_uri":"https://u:hunter2@host"`),
		"user in part":  `{"type":"authorized_user","client_secret":"hunter2"}`,
	} {
		if _, _, err := readGoogleKey([]byte(file), http.DefaultClient, time.Now); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	old := service(pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(testRSA())), "")
	if _, _, err := readGoogleKey([]byte(old), http.DefaultClient, time.Now); err != nil {
		t.Errorf("PKCS #1: %v", err)
	}
}

// TestFindingCredentials: the option, the variable, gcloud's file, the machine.
func TestFindingCredentials(t *testing.T) {
	dir := t.TempDir()
	put := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	service := put("sa.json", string(keyFile(t, "https://oauth2.googleapis.com/token")))
	user := `{"type":"authorized_user","client_id":"id","refresh_token":"r"}`
	gcloud := put("home/.config/gcloud/application_default_credentials.json", user)
	elsewhere := put("cloudsdk/application_default_credentials.json", user)
	for _, tc := range []struct {
		name string
		o    VertexOptions
		env  map[string]string
		want string // "" = an error
	}{
		{"the option", VertexOptions{CredentialsFile: service}, map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere"}, "service"},
		{"the variable", VertexOptions{}, map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": service, "HOME": filepath.Dir(filepath.Dir(filepath.Dir(gcloud)))}, "service"},
		{"gcloud", VertexOptions{}, map[string]string{"HOME": filepath.Join(dir, "home")}, "user"},
		{"gcloud elsewhere", VertexOptions{}, map[string]string{"CLOUDSDK_CONFIG": filepath.Dir(elsewhere)}, "user"},
		{"the machine", VertexOptions{}, map[string]string{"HOME": "/nowhere"}, "machine"},
		{"a file that is not there", VertexOptions{CredentialsFile: filepath.Join(dir, "none.json")}, nil, ""},
		{"a variable that leads nowhere", VertexOptions{}, map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/x.json"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.o.Getenv = func(name string) string { return tc.env[name] }
			tc.o.Client, tc.o.Now = http.DefaultClient, time.Now
			src, identity, err := tc.o.source()
			got := ""
			switch src.(type) {
			case *serviceAccount:
				got = "service"
			case *userAccount:
				got = "user"
			case *metadataServer:
				got = "machine"
			}
			if got != tc.want || (err != nil) != (tc.want == "") || err == nil && identity == "" {
				t.Errorf("%q, %v", got, err)
			}
			if got == "service" && tc.o.Project != "file-project" {
				t.Errorf("project %q", tc.o.Project)
			}
		})
	}
}
