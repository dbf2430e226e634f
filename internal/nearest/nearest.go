// Package nearest finds the word that somebody may have meant.
package nearest

import "strings"

// Word gives the word that takes the fewest edits to reach; the first of
// several.
func Word(word string, words []string) string {
	best, fewest := "", -1
	for _, w := range words {
		if n := Edits(word, w); fewest < 0 || n < fewest {
			best, fewest = w, n
		}
	}
	return best
}

// Edits gives the Levenshtein distance in bytes of two words, in whatever case.
func Edits(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
