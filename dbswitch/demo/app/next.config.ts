import type { NextConfig } from "next";

const config: NextConfig = {
  // Without it Turbopack looks for a lock file in the parent folders and may take one of them for the root.
  turbopack: { root: __dirname },
};

export default config;
