// Package code finds dangerous code by rules: calls that run commands, SQL built from
// strings, weak cryptography, unsafe deserialisation, code injection.
//
// The rules are data, in rules/*.yaml, beside examples that the tests run; see Rule for
// the form. The engine under them is a lexer per language: what stands in a comment
// or in a string is never taken for code, calls are found with their arguments over any number
// of lines, names are followed through imports, and an argument is known to be a
// constant, a string built from parts, or something that comes from elsewhere, through the
// local variables that lead to it.
//
// It is not a compiler: there are no types, no data flow between functions, and no
// paths. The nearest assignment above a use counts as its value.
//
// Files are hostile. Expressions are RE2 throughout, every recursion has a limit, and
// work per file is bounded by its size.
package code
