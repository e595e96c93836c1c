package pack

// LeavesNoGoroutines is for the tests at the package's door.
var LeavesNoGoroutines = leavesNoGoroutines
