import type { HandleClientError } from "@sveltejs/kit";

/** The page says which path is not known; other errors are written to the browser's console. */
export const handleError: HandleClientError = ({ error, status, message }) => {
  if (status !== 404) console.error(error);
  return { message };
};
