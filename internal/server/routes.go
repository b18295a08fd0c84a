package server

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"annals.dev/internal/access"
	"annals.dev/internal/source"
	"annals.dev/internal/spell"
)

// api is where all questions stand.
const api = "/api/v1/"

// questions answers whoever was let in: handler and web see to that.
func (c *core) questions() http.Handler {
	mux := http.NewServeMux()
	all := c.all()
	for _, r := range all {
		mux.Handle(api+r.name, c.api.count(r, c.admit(r)))
	}
	list := func(w http.ResponseWriter, r *http.Request) { listRoutes(w, r, all) }
	mux.HandleFunc("/api/v1", list)
	mux.HandleFunc(api+"{$}", list)
	mux.HandleFunc(api+"openapi.json", serveDescription)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, r, &Error{NotFound, fmt.Sprintf("there is nothing at %.200q%s: GET /api/v1 lists what there is", r.URL.Path, meantRoute(all, r.URL.Path))})
	})
	return mux
}

// all are the routes, and those that are more than a question with its answer.
func (c *core) all() []route {
	return append(c.routes(),
		route{name: "export", about: "The whole result of a search as a file.", role: access.Reader, q: reflect.TypeFor[ExportQuestion](),
			Handler: http.HandlerFunc(c.serveExport), endless: true},
		route{name: "import", about: "Read files into the ledger.", role: access.Admin,
			q: reflect.TypeFor[ImportQuestion](), item: reflect.TypeFor[source.Progress](), end: reflect.TypeFor[ImportEnd](), Handler: http.HandlerFunc(c.serveImport), changes: true, endless: true},
	)
}

// admit lets in who may ask, in the way it is asked, as often as the limits allow.
func (c *core) admit(of route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost && (of.changes || r.Method != http.MethodGet) {
			allow := "GET, POST"
			if of.changes {
				allow = "POST"
			}
			w.Header().Set("Allow", allow)
			fail(w, r, &Error{WrongMethod, fmt.Sprintf("%s is asked with %s, not with %.20s", of.name, strings.ReplaceAll(allow, ", ", " or "), r.Method)})
			return
		}
		by := askerOf(r.Context())
		if by == nil {
			fail(w, r, &Error{SignIn, "sign in first, or send a token: Authorization: Bearer …"})
			return
		}
		if !by.Role.AtLeast(of.role) {
			fail(w, r, &Error{Forbidden, fmt.Sprintf("%s needs the role %s; %s has the role %s", of.name, of.role, by.Name, by.Role)})
			return
		}
		leave, err := c.limits.enter(r.Context(), by)
		if err != nil {
			fail(w, r, err)
			return
		}
		defer leave()
		ctx, cancel := c.limits.within(r.Context(), by, of)
		defer cancel()
		of.ServeHTTP(w, r.WithContext(ctx))
	})
}

// RouteInfo is a line of the list of routes.
type RouteInfo struct {
	Path    string   `json:"path"`
	Methods []string `json:"methods"`
	Role    string   `json:"role"` // the least that may ask
	About   string   `json:"about"`
}

func listRoutes(w http.ResponseWriter, r *http.Request, all []route) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET")
		fail(w, r, &Error{WrongMethod, "the list of routes is asked with GET"})
		return
	}
	reply(w, r, func(emit func(RouteInfo) error) (nothing, error) {
		for _, of := range all {
			info := RouteInfo{api + of.name, []string{"GET", "POST"}, string(of.role), of.about}
			if of.changes {
				info.Methods = info.Methods[1:]
			}
			if err := emit(info); err != nil {
				return nothing{}, err
			}
		}
		return nothing{}, nil
	})
}

func meantRoute(all []route, path string) string {
	name, ok := strings.CutPrefix(path, api)
	if !ok {
		return ""
	}
	names := make([]string, len(all))
	for i, r := range all {
		names[i] = r.name
	}
	if meant := nearest(name, names); meant != "" {
		return fmt.Sprintf("; did you mean %s%s?", api, meant)
	}
	return ""
}

// nearest is which of some names was surely meant, or "".
func nearest(name string, names []string) string {
	if len(names) == 0 || len(name) > spell.Longest {
		return ""
	}
	distance := func(s string) int { return spell.Distance(strings.ToLower(name), strings.ToLower(s)) }
	best := slices.MinFunc(names, func(a, b string) int { return distance(a) - distance(b) })
	if d := distance(best); d > 2 || d >= len(name) {
		return ""
	}
	return best
}
