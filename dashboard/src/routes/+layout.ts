// The pages are made in the browser; the server sends the same file for all of them.
export const ssr = false;
export const prerender = false;
