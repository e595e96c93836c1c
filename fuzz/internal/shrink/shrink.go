// Package shrink makes inputs smaller, for engines whose fuzzer cannot or does not
// do it well enough.
package shrink

import "context"

// Bytes removes from data what it can so that same still holds of the rest: the
// result is as small as removing any one run of bytes from it makes it, or what it
// was when ctx ended. It calls same some hundred times for inputs of some
// kilobytes, never twice at once. data itself is taken to hold; an error of same
// ends the search.
func Bytes(ctx context.Context, data []byte, same func(context.Context, []byte) (bool, error)) ([]byte, error) {
	for size := len(data) / 2; size > 0; {
		smaller := false
		// From the end: what follows the bytes that matter goes first, in big pieces.
		for end := len(data); end > 0; {
			begin := max(0, end-size)
			if begin == 0 && end == len(data) {
				break
			}
			rest := append(append(make([]byte, 0, len(data)), data[:begin]...), data[end:]...)
			ok, err := same(ctx, rest)
			if err != nil || ctx.Err() != nil {
				return data, err
			}
			if ok {
				data, smaller = rest, true
			}
			end = begin
		}
		// Bytes that could not go before may go now that others have gone.
		if !smaller || size > 1 {
			size /= 2
		}
	}
	return data, nil
}
