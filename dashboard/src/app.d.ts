declare global {
  // SvelteKit looks its types up here.
  namespace App {}
}

export {};
