package provider

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// The wire facts of Google's OAuth 2.0.
const (
	googleScope     = "https://www.googleapis.com/auth/cloud-platform"
	googleTokenURI  = "https://oauth2.googleapis.com/token"         //nolint:gosec // an address
	googleJWTBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer" //nolint:gosec // the name of a grant
	metadataHost    = "metadata.google.internal"
	metadataPath    = "/computeMetadata/v1/instance/service-accounts/default/token"
	assertionLife   = time.Hour
	maxTokenAnswer  = 64 << 10
)

// googleKey is a credentials file: of a service account or of a user who signed
// in with gcloud.
type googleKey struct {
	Type         string `json:"type"`
	ProjectID    string `json:"project_id"`
	KeyID        string `json:"private_key_id"`
	PrivateKey   string `json:"private_key"`
	Email        string `json:"client_email"`
	TokenURI     string `json:"token_uri"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	RefreshToken string `json:"refresh_token"`
}

// readGoogleKey makes the source of tokens that a credentials file describes.
// Errors show nothing of the file.
func readGoogleKey(file []byte, client *http.Client, now func() time.Time) (TokenSource, *googleKey, error) {
	k := &googleKey{}
	if json.Unmarshal(file, k) != nil {
		return nil, nil, errors.New("the credentials file is not JSON")
	}
	uri := or(k.TokenURI, googleTokenURI)
	if !safeTokenURI(uri) {
		return nil, nil, errors.New("the credentials file's token_uri is no https URL")
	}
	x := tokenExchange{client: client, url: uri}
	switch k.Type {
	case "service_account":
		key, err := parseRSAKey(k.PrivateKey)
		if err != nil {
			return nil, nil, err
		}
		if k.Email == "" {
			return nil, nil, errors.New("the credentials file lacks client_email")
		}
		return &serviceAccount{tokenExchange: x, email: k.Email, keyID: k.KeyID, key: key, now: now}, k, nil
	case "authorized_user":
		if k.RefreshToken == "" || k.ClientID == "" {
			return nil, nil, errors.New("the credentials file lacks refresh_token or client_id")
		}
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {k.RefreshToken}, "client_id": {k.ClientID}, "client_secret": {k.ClientSecret}}
		return &userAccount{x, form}, k, nil
	case "external_account":
		return nil, nil, errors.New("credentials of type external_account (workload identity federation) are not supported; use a service account or the metadata server")
	}
	return nil, nil, errors.New("the credentials file's type is neither service_account nor authorized_user")
}

// safeTokenURI reports whether an assertion or refresh token may be sent to a
// URL: over TLS, or to this machine.
func safeTokenURI(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// parseRSAKey reads a PKCS #8 key, as Google writes it, or a PKCS #1 one.
func parseRSAKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("the credentials file's private_key is not PEM")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the credentials file's private_key cannot be read")
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the credentials file's private_key is no RSA key")
	}
	return rsaKey, nil
}

// serviceAccount exchanges a signed assertion for a token.
type serviceAccount struct {
	tokenExchange
	email, keyID string
	key          *rsa.PrivateKey
	now          func() time.Time
}

// Token makes one exchange.
func (s *serviceAccount) Token(ctx context.Context) (AccessToken, error) {
	jwt, err := s.assertion()
	if err != nil {
		return AccessToken{}, &llm.Error{Kind: llm.KindInternal, Message: "the assertion for the token exchange cannot be signed", Err: err}
	}
	return s.post(ctx, url.Values{"grant_type": {googleJWTBearer}, "assertion": {jwt}})
}

// assertion returns a JSON web token signed with RS256 (RFC 7523).
func (s *serviceAccount) assertion() (string, error) {
	iat := s.now()
	head, err := json.Marshal(struct {
		Alg string `json:"alg"`
		Typ string `json:"typ"`
		Kid string `json:"kid,omitempty"`
	}{"RS256", "JWT", s.keyID})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(struct {
		Iss   string `json:"iss"`
		Scope string `json:"scope"`
		Aud   string `json:"aud"`
		Iat   int64  `json:"iat"`
		Exp   int64  `json:"exp"`
	}{s.email, googleScope, s.url, iat.Unix(), iat.Add(assertionLife).Unix()})
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	text := enc.EncodeToString(head) + "." + enc.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return text + "." + enc.EncodeToString(sig), nil
}

// userAccount exchanges a refresh token.
type userAccount struct {
	tokenExchange
	form url.Values
}

// Token makes one exchange.
func (u *userAccount) Token(ctx context.Context) (AccessToken, error) { return u.post(ctx, u.form) }

// metadataServer asks the machine's metadata server, which knows the service
// account that the machine runs as.
type metadataServer struct{ tokenExchange }

func newMetadataServer(host string, client *http.Client) *metadataServer {
	u := "http://" + or(host, metadataHost) + metadataPath + "?scopes=" + url.QueryEscape(googleScope)
	return &metadataServer{tokenExchange{client: client, url: u}}
}

// Token makes one exchange. Whoever answers without the header that the
// question had is not the metadata server.
func (m *metadataServer) Token(ctx context.Context) (AccessToken, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url, nil)
	if err != nil {
		return AccessToken{}, unreachable(err)
	}
	req.Header.Set("Metadata-Flavor", "Google")
	return m.send(req, func(h http.Header) bool { return h.Get("Metadata-Flavor") == "Google" })
}

// tokenExchange is what the sources share.
type tokenExchange struct {
	client *http.Client
	url    string
}

func (x *tokenExchange) post(ctx context.Context, form url.Values) (AccessToken, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.url, strings.NewReader(form.Encode()))
	if err != nil {
		return AccessToken{}, unreachable(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return x.send(req, func(http.Header) bool { return true })
}

func (x *tokenExchange) send(req *http.Request, genuine func(http.Header) bool) (AccessToken, error) {
	resp, err := x.client.Do(req) //nolint:gosec // the operator's own address, checked to be TLS or this machine
	if err != nil {
		if e := llm.ContextError(req.Context()); e != nil && e.Kind == llm.KindTimeout {
			e.Message = "the token server took too long"
			return AccessToken{}, e
		}
		return AccessToken{}, unreachable(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenAnswer))
	if err != nil {
		return AccessToken{}, unreachable(err)
	}
	if resp.StatusCode != http.StatusOK {
		return AccessToken{}, tokenRefused(resp.StatusCode, body)
	}
	if !genuine(resp.Header) {
		return AccessToken{}, llm.Errorf(llm.KindUpstreamAuth, "what answers as the metadata server is none")
	}
	return readToken(body)
}

// readToken reads {"access_token","expires_in","token_type"}.
func readToken(body []byte) (AccessToken, error) {
	var a struct {
		Token string `json:"access_token"`
		Life  int64  `json:"expires_in"`
	}
	if json.Unmarshal(body, &a) != nil || a.Token == "" || a.Life <= 0 {
		return AccessToken{}, llm.Errorf(llm.KindUpstreamError, "the token server's answer cannot be read")
	}
	cred, err := NewCredential(a.Token)
	if err != nil {
		return AccessToken{}, llm.Errorf(llm.KindUpstreamError, "the token server's answer cannot be read")
	}
	return AccessToken{Value: cred, Life: time.Duration(min(a.Life, 24*3600)) * time.Second}, nil
}

// tokenRefused is the error of an exchange that the token server answered with
// a status. The server's words, which may name the account, are for logs alone.
func tokenRefused(status int, body []byte) error {
	var a struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	e := llm.Errorf(llm.KindUpstreamAuth, "the token server refused the gateway's account")
	if status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout {
		e = llm.Errorf(llm.KindUpstreamError, "the token server failed with status %d", status)
	}
	if json.Unmarshal(bytes.TrimSpace(body), &a) == nil && a.Error != "" {
		e.Err = errors.New(dialect.Redact(a.Error + ": " + a.Description))
	}
	return e
}

// unreachable is the error of an exchange that brought no answer.
func unreachable(err error) error {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err
	}
	e := describe(err)
	e.Message, e.Permanent = "the token server cannot be reached", false
	e.Err = cause(err)
	return e
}
