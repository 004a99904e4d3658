// How a picture says when it was made: milliseconds of Unix time, as many bits of them as there are squares, the highest first, black for 0.

export const COLUMNS = 10;
export const ROWS = 2;
