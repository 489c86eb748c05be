// What Ollama makes of a Modelfile's TEMPLATE, by Go's own text/template: prompts, and the tag that opens a call.
//
// It reads {"template": TEXT, "conversations": [{"messages": [...], "tools": [...]}, ...]} as JSON from its standard
// input and writes {"prompts": [TEXT, ...], "tag": TEXT}. Conversations are those of Ollama's /api/chat. The types have
// the fields that Ollama's own have (its api/types.go, 0.7 to 0.29), so that what Ollama loses is lost here too.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"
	"text/template/parse"
)

type oneOrMore []string

func (names *oneOrMore) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*names = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(names))
}

type property struct {
	AnyOf       []property `json:"anyOf,omitempty"`
	Type        oneOrMore  `json:"type,omitempty"`
	Items       any        `json:"items,omitempty"`
	Description string     `json:"description,omitempty"`
	Enum        []any      `json:"enum,omitempty"`
}

type parameters struct {
	Type       string              `json:"type"`
	Required   []string            `json:"required,omitempty"`
	Properties map[string]property `json:"properties"`
}

type function struct {
	Name        string     `json:"name"`
	Description string     `json:"description,omitempty"`
	Parameters  parameters `json:"parameters"`
}

type tool struct {
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type call struct {
	Function struct {
		Name      string         `json:"name"`
		Arguments map[string]any `json:"arguments"`
	} `json:"function"`
}

type message struct {
	Role      string `json:"role"`
	Content   string `json:"content"`
	ToolCalls []call `json:"tool_calls"`
}

type conversation struct {
	Messages []message `json:"messages"`
	Tools    []tool    `json:"tools"`
}

// Ollama joins the system messages, and neighbours of one role, tools' results excepted.
func collated(messages []message) (string, []message) {
	var system []string
	var joined []message
	for _, each := range messages {
		if each.Role == "system" {
			system = append(system, each.Content)
		}
		if last := len(joined) - 1; last >= 0 && joined[last].Role == each.Role && each.Role != "tool" {
			joined[last].Content += "\n\n" + each.Content
		} else {
			joined = append(joined, each)
		}
	}
	return strings.Join(system, "\n\n"), joined
}

// The text up to the first brace that opens the first `if .ToolCalls`; a lone brace where there is none.
func tag(node parse.Node) string {
	if found := ifToolCalls(node); found != nil {
		text, _, _ := strings.Cut(firstText(found.List), "{")
		if text = strings.TrimSpace(text); text != "" {
			return text
		}
	}
	return "{"
}

func ifToolCalls(node parse.Node) *parse.IfNode {
	switch each := node.(type) {
	case *parse.IfNode:
		if strings.Contains(each.Pipe.String(), ".ToolCalls") {
			return each
		}
		return inBranch(&each.BranchNode)
	case *parse.RangeNode:
		return inBranch(&each.BranchNode)
	case *parse.WithNode:
		return inBranch(&each.BranchNode)
	case *parse.ListNode:
		if each != nil {
			for _, child := range each.Nodes {
				if found := ifToolCalls(child); found != nil {
					return found
				}
			}
		}
	}
	return nil
}

func inBranch(branch *parse.BranchNode) *parse.IfNode {
	if found := ifToolCalls(branch.List); found != nil {
		return found
	}
	return ifToolCalls(branch.ElseList)
}

// The search ends at the first action, and at the first branch whose text is white space.
func firstText(list *parse.ListNode) string {
	for _, node := range list.Nodes {
		switch each := node.(type) {
		case *parse.TextNode:
			if text := string(each.Text); strings.TrimSpace(text) != "" {
				return text
			}
		case *parse.IfNode:
			return firstText(each.List)
		case *parse.RangeNode:
			return firstText(each.List)
		case *parse.ActionNode:
			return ""
		}
	}
	return ""
}

func main() {
	var asked struct {
		Template      string
		Conversations []conversation
	}
	check(json.NewDecoder(os.Stdin).Decode(&asked))
	functions := template.FuncMap{"json": func(value any) string {
		text, _ := json.Marshal(value)
		return string(text)
	}}
	parsed, err := template.New("").Option("missingkey=zero").Funcs(functions).Parse(asked.Template)
	check(err)
	prompts := []string{}
	for _, each := range asked.Conversations {
		var prompt strings.Builder
		system, messages := collated(each.Messages)
		check(parsed.Execute(&prompt, map[string]any{"System": system, "Messages": messages, "Tools": each.Tools}))
		prompts = append(prompts, prompt.String())
	}
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{"prompts": prompts, "tag": tag(parsed.Root)}))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
