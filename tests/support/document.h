/* Documents that have parts which a program prints. */
#ifndef SUPPORT_DOCUMENT_H
#define SUPPORT_DOCUMENT_H

/* The first part of `printed`, from its marker `<!-- name: … -->` to its `<!-- /name -->`, that does not stand in
 * the document word by word; to be freed. NULL: all of them do. Aborts where the document can't be read or nothing
 * was printed. */
char *missing_part(const char *document_path, const char *printed);

#endif
