"""Write what a project keeps: the Prisma client, the admin route and page, configuration."""
