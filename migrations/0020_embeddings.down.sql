DROP TABLE embedding_files;
