-- Which database this is: a file beside it knows, and notices another one in its place.
CREATE TABLE deployment (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id BLOB NOT NULL CHECK (length(id) = 16)
);
