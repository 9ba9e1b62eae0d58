DROP TABLE near_duplicates;
DROP TABLE sketch_hashes;
DROP TABLE document_sketches;
DROP TABLE text_sketches;
