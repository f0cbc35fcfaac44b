/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CALLERS_H
#define CALLERS_H

struct folio;
struct page;

void callers_of_kmap(struct page *page);
void callers_of_kmap_local(struct page *page, struct folio *folio);
void callers_of_page_helpers(struct page *to, struct page *from, char *buf);
void callers_of_folio_helpers(struct folio *folio, char *buf);
void callers_of_pfns(unsigned long pfn);
void callers_of_spans(struct folio *folio, size_t len);
void callers_of_folio_map(struct folio *folio);

#endif
