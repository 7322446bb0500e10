package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration. None of its texts holds a value from the file.
type Problem struct {
	// Key is the full path: docker.host[1]. Empty when the file as a whole is meant.
	Key string
	// Line counts from 1; 0 when no line is to blame, as for a key that is missing.
	Line int
	// Message says what is wrong, Hint what to do; Hint may be empty.
	Message, Hint string
}

// String returns "line 3: docker.hots: unknown key; did you mean docker.host?".
func (p Problem) String() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", p.Line)
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// Problems is the error for a configuration that was read and is refused, sorted by line.
type Problems []Problem

// Error returns a count and one line for each problem.
func (p Problems) Error() string {
	var b strings.Builder
	b.WriteString("1 problem")
	if len(p) != 1 {
		b.Reset()
		fmt.Fprintf(&b, "%d problems", len(p))
	}
	for _, problem := range p {
		b.WriteString("\n  " + problem.String())
	}
	return b.String()
}

// Warning is something the operator should know, with which the bot starts all the same.
type Warning struct {
	Problem
	// Insecure says that it weakens security: it is logged as config.insecure.
	Insecure bool
}

// maxProblems is more than anybody reads. What lies beyond it is usually one mistake, repeated.
const maxProblems = 50

// report collects what is found. The zero value is ready.
type report struct {
	problems Problems
	warnings []Warning
}

func (r *report) refuse(p Problem) { r.problems = append(r.problems, p) }

func (r *report) warn(w Warning) { r.warnings = append(r.warnings, w) }

// finish sorts what was found and cuts it to maxProblems. The error is nil, not an empty Problems, if all is well.
func (r *report) finish() ([]Warning, error) {
	slices.SortStableFunc(r.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	slices.SortStableFunc(r.warnings, func(a, b Warning) int { return cmp.Compare(a.Line, b.Line) })
	if len(r.problems) == 0 {
		return r.warnings, nil
	}
	if more := len(r.problems) - maxProblems; more > 0 {
		r.problems = append(r.problems[:maxProblems:maxProblems],
			Problem{Message: fmt.Sprintf("and %d more", more), Hint: "put the first ones right, then look again"})
	}
	return r.warnings, r.problems
}
