package admin

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

//go:embed page
var pageFiles embed.FS

// pageNames lists the files of the page.
func pageNames() []string {
	files, _ := pageFiles.ReadDir("page") // embedded: it cannot fail
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name()
	}
	return names
}

// policy lets the page load and do what is its own and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

// page serves the files of the dashboard. They hold no secret, so nobody needs
// to be signed in to load them.
func (a *API) page(w http.ResponseWriter, r *http.Request) error {
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/dashboard"), "/")
	if name == "" {
		name = "index.html"
	}
	body, err := pageFiles.ReadFile("page/" + name)
	if err != nil {
		return llm.Errorf(llm.KindNotFound, "there is no such path")
	}
	sum := sha256.Sum256(body)
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache") // asked for again each time, so that a new version shows at once
	h.Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	h.Set("Content-Type", typeOf(name))
	if r.Header.Get("If-None-Match") == h.Get("ETag") {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	_, _ = w.Write(body) //nolint:gosec // the page is embedded in the program
	return nil
}

// typeOf does not depend on the tables of the machine.
func typeOf(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(".html")
}
