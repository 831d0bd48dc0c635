package jobpb

// Protocol is the version of what the coordinator and the workers say to each other: the
// messages of this package, of programpb and of the exchange. Both sides must have the
// same. It rises with every change that an older peer would misread.
const Protocol uint32 = 1
