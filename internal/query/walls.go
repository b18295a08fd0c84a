package query

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A user's statement is parsed by DuckDB itself into JSON, and what it parsed is walked before anything runs. The walk goes
// through every object there is, whatever member it stands under, and knows a node by what it carries: a class is an
// expression, a function_name a call, a table_name a table. So a kind of node that a later DuckDB adds is refused, not
// missed.

// MaxStatement is how long a statement may be.
const MaxStatement = 64 << 10

// eventsView is the one table there is.
const eventsView = "events"

// checkStatement refuses all but one SELECT over events and harmless functions. parsed is what json_serialize_sql says.
func checkStatement(parsed []byte) error {
	var doc struct {
		Error        bool   `json:"error"`
		ErrorType    string `json:"error_type"`
		ErrorMessage string `json:"error_message"`
		Statements   []struct {
			Node       map[string]any `json:"node"`
			Parameters []any          `json:"named_param_map"`
		} `json:"statements"`
	}
	if err := json.Unmarshal(parsed, &doc); err != nil {
		return fmt.Errorf("query: reading duckdb's parse of the statement: %w", err)
	}
	switch {
	case doc.Error && doc.ErrorType == "not implemented":
		return &RefusedError{What: "a statement that is not a SELECT, or has parameters,"}
	case doc.Error:
		return &Error{Message: doc.ErrorMessage}
	case len(doc.Statements) != 1:
		return &RefusedError{What: fmt.Sprintf("a text of %d statements", len(doc.Statements))}
	case len(doc.Statements[0].Parameters) != 0:
		return &RefusedError{What: "a parameter"}
	}
	return walk(doc.Statements[0].Node, nil)
}

// walk visits a value and all in it. tables are the names that WITH gave within reach.
func walk(v any, tables []string) error {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if err := walk(x, tables); err != nil {
				return err
			}
		}
	case map[string]any:
		return walkObject(v, tables)
	}
	return nil
}

func walkObject(o map[string]any, tables []string) error {
	kind := text(o, "type")
	_, isTable := o["table_name"]
	_, isCall := o["function_name"]
	switch {
	case o["class"] != nil:
		if class := text(o, "class"); !expressionClasses[class] {
			return &RefusedError{What: "an expression of class " + class}
		}
		if isCall {
			if err := checkName(o, functions, "function"); err != nil {
				return err
			}
		}
	case isCall:
		return &RefusedError{What: "the function " + text(o, "function_name")}
	case isTable || has(o, "alias", "sample"):
		return walkTable(o, kind, isTable, tables)
	case has(o, "cte_map"):
		return walkQuery(o, kind, tables)
	}
	return walkMembers(o, tables)
}

// walkTable visits what stands in FROM.
func walkTable(o map[string]any, kind string, isTable bool, tables []string) error {
	if !tableRefs[kind] {
		return &RefusedError{What: "a table of kind " + kind}
	}
	switch kind {
	case "TABLE_FUNCTION":
		call, _ := o["function"].(map[string]any)
		if call == nil {
			return &RefusedError{What: "a table function without a name"}
		}
		if err := checkName(call, tableFunctions, "table function"); err != nil {
			return err
		}
		return walkMembers(call, tables)
	case "SHOW_REF":
		// DESCRIBE and SUMMARIZE carry the query they are about; SHOW names things of the catalog.
		if show := text(o, "show_type"); o["query"] == nil || text(o, "table_name") != "" || show != "DESCRIBE" && show != "SUMMARY" {
			return &RefusedError{What: "SHOW"}
		}
	default:
		if !isTable {
			break
		}
		name := text(o, "table_name")
		if s := text(o, "schema_name"); s != "" || text(o, "catalog_name") != "" || o["at_clause"] != nil {
			return &RefusedError{What: fmt.Sprintf("the table %s.%s", s, name)}
		}
		if !strings.EqualFold(name, eventsView) && !slices.Contains(tables, strings.ToLower(name)) {
			return &RefusedError{What: fmt.Sprintf("the table %q", name)}
		}
	}
	return walkMembers(o, tables)
}

// plainName is what WITH may name a table: nothing that could be a file.
var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// walkQuery visits a SELECT, a set operation or the body of a recursive WITH. A name that WITH gives is in reach of what comes
// after it, and of its own query only if that is recursive.
func walkQuery(o map[string]any, kind string, tables []string) error {
	if !queryNodes[kind] {
		return &RefusedError{What: "a query of kind " + kind}
	}
	tables = slices.Clone(tables)
	name := func(s string) error {
		s = strings.ToLower(s)
		if !plainName.MatchString(s) || s == eventsView || strings.HasPrefix(s, "duckdb_") || strings.HasPrefix(s, "pragma_") ||
			strings.HasPrefix(s, "sqlite_") || strings.HasPrefix(s, "pg_") {
			return &RefusedError{What: fmt.Sprintf("the name %q for a table", s)}
		}
		tables = append(tables, s)
		return nil
	}
	if kind == "RECURSIVE_CTE_NODE" || kind == "CTE_NODE" {
		if err := name(text(o, "cte_name")); err != nil {
			return err
		}
	}
	ctes, _ := o["cte_map"].(map[string]any)
	list, _ := ctes["map"].([]any)
	for _, x := range list {
		cte, _ := x.(map[string]any)
		if err := walk(cte["value"], tables); err != nil {
			return err
		}
		if err := name(text(cte, "key")); err != nil {
			return err
		}
	}
	for member, v := range o {
		if member == "cte_map" {
			continue
		}
		if err := walk(v, tables); err != nil {
			return err
		}
	}
	return nil
}

func walkMembers(o map[string]any, tables []string) error {
	for _, v := range o {
		if err := walk(v, tables); err != nil {
			return err
		}
	}
	return nil
}

// checkName refuses a call of what is not in the list, or is called by a catalog's or schema's name.
func checkName(call map[string]any, list map[string]bool, what string) error {
	name, schema, catalog := text(call, "function_name"), text(call, "schema"), text(call, "catalog")
	if !list[strings.ToLower(name)] && !list[name] || schema != "" && schema != "main" || catalog != "" {
		return &RefusedError{What: fmt.Sprintf("the %s %q", what, name)}
	}
	return nil
}

func text(o map[string]any, member string) string {
	s, _ := o[member].(string)
	return s
}

func has(o map[string]any, members ...string) bool {
	for _, m := range members {
		if _, ok := o[m]; !ok {
			return false
		}
	}
	return true
}
