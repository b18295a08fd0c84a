// Package spell measures slips of the hand, for errors that name what was surely meant. It is Distance.
package spell

// Longest is the number of bytes from which on no word is taken for a slip of another.
const Longest = 200

// Distance is the number of letters to insert, delete or replace (Levenshtein) that make b of a. Of words that are too long it
// is the length of the longer one.
func Distance(a, b string) int {
	if max(len(a), len(b)) > Longest {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}
