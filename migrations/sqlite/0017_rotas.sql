-- The rota in whose place somebody is told.
ALTER TABLE notifications ADD COLUMN instead_of TEXT;
