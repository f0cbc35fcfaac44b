// SPDX-License-Identifier: GPL-2.0
/* Addresses of pages that can do without: what the mode "patch" makes of them. */

static void clear(struct page *page)
{
	clear_page(page_address(page));
}

static void clear_too(struct page *page)
{
	memset(page_address(page), 0, PAGE_SIZE);
}

static void copy(struct page *to, struct page *from)
{
	copy_page(page_address(to), page_address(from));
}

static void copy_too(struct page *to, struct page *from)
{
	memcpy(page_address(to), page_address(from), PAGE_SIZE);
}

static void left_alone(struct page *page, size_t len)
{
	memset(page_address(page), 0, len);
	memset(page_address(page), 1, PAGE_SIZE);
}
