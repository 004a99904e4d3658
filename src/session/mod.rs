//! Sessions: one viewer's ongoing stream. A session is a row, a list of splices and a meter; it owns no pipeline.
