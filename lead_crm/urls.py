"""Every address there is."""

from django.urls import path

from lead_crm import openapi
from lead_crm.http import resource
from leads import api as leads
from leads import archive_api as archive
from leads import bulk_api as bulk
from leads import enquiry, public_api
from leads import merging_api as merging
from leads import past_api as past
from leads import scoring_api as scoring
from leads import views_api as views
from leads import worklist_api as worklist
from management import api as management
from management import audit_api as audit
from management import auth_api as auth
from management import people_api as people
from management import privacy_api as privacy
from management import reports_api as reports
from workflow import api as workflow

urlpatterns = [  # tried one after the other: what is asked most stands first
    path("api/leads/", resource(get=leads.list_leads, post=leads.create_lead)),
    path("api/leads/bulk/", resource(post=bulk.bulk_leads)),
    path("api/leads/kanban/", resource(get=leads.read_board)),
    path("api/leads/kanban/move/", resource(post=leads.move_card)),
    path("api/leads/kanban/<str:stage>/", resource(get=leads.read_column)),
    path("api/leads/<str:uid>/", resource(get=leads.read_lead, patch=leads.edit_lead, delete=archive.archive_lead)),
    path("api/leads/<str:uid>/moves/", resource(get=leads.list_moves)),
    path("api/leads/<str:uid>/transition/", resource(post=leads.transition_lead)),
    path("api/leads/<str:uid>/assign/", resource(post=leads.assign_lead)),
    path("api/leads/<str:uid>/convert/", resource(post=leads.convert_lead)),
    path("api/leads/<str:uid>/close/", resource(post=leads.close_lead)),
    path("api/leads/<str:uid>/reopen/", resource(post=leads.reopen_lead)),
    path("api/leads/<str:uid>/hold/", resource(post=leads.hold_lead)),
    path("api/leads/<str:uid>/resume/", resource(post=leads.resume_lead)),
    path("api/leads/<str:uid>/archive/", resource(post=archive.archive_lead_action)),
    path("api/leads/<str:uid>/restore/", resource(post=archive.restore_lead)),
    path("api/leads/<str:uid>/tasks/", resource(get=leads.list_tasks, post=leads.create_task)),
    path("api/leads/<str:uid>/tasks/<str:task>/", resource(patch=leads.edit_task)),
    path("api/leads/<str:uid>/tasks/<str:task>/complete/", resource(post=leads.complete_task)),
    path("api/leads/<str:uid>/tasks/<str:task>/reopen/", resource(post=leads.reopen_task)),
    path("api/leads/<str:uid>/tasks/<str:task>/cancel/", resource(post=leads.cancel_task)),
    path("api/leads/<str:uid>/activities/", resource(get=leads.list_activities, post=leads.create_activity)),
    path("api/leads/<str:uid>/history/", resource(get=leads.list_history)),
    path("api/leads/<str:uid>/duplicates/", resource(get=merging.list_duplicates)),
    path("api/leads/<str:uid>/merge/", resource(post=merging.merge_lead)),
    path("api/leads/<str:uid>/unmerge/", resource(post=merging.unmerge_lead)),
    path("api/leads/<str:uid>/as-of/", resource(get=past.read_lead_as_of)),
    path("api/leads/<str:uid>/diff/", resource(get=past.diff_lead)),
    path("health/", resource(get=management.read_health)),
    path("api/auth/login/", resource(post=auth.login)),
    path("api/auth/logout/", resource(post=auth.logout)),
    path("api/auth/me/", resource(get=auth.read_me, patch=auth.edit_me)),
    path("api/auth/password/", resource(post=auth.change_password)),
    path("api/auth/accept/", resource(post=auth.accept_invitation)),
    path("api/views/", resource(get=views.list_views, post=views.create_view)),
    path("api/views/<str:uid>/", resource(get=views.read_view, patch=views.edit_view, delete=views.delete_view)),
    path("api/reports/summary/", resource(get=reports.read_summary)),
    path("api/tasks/", resource(get=worklist.list_work)),
    path("api/leads/<str:uid>/access/", resource(get=people.explain_access)),
    path("api/public/form/", resource(get=public_api.read_form)),
    path("api/public/leads/", resource(post=public_api.create_enquiry)),
    path("api/users/", resource(get=people.list_users, post=people.create_user)),
    path("api/users/<str:uid>/", resource(get=people.read_user, patch=people.edit_user)),
    path("api/users/<str:uid>/invite/", resource(post=people.invite_user)),
    path("api/centers/", resource(get=people.list_centers, post=people.create_center)),
    path("api/centers/<str:uid>/", resource(get=people.read_center, patch=people.edit_center)),
    path("api/roles/", resource(get=people.list_roles)),
    path("api/tokens/", resource(get=people.list_tokens, post=people.create_token)),
    path("api/tokens/<str:uid>/", resource(get=people.read_token, delete=people.revoke_token)),
    path("api/stages/", resource(get=workflow.list_stages, post=workflow.create_stage)),
    path("api/stages/reorder/", resource(post=workflow.reorder_stages)),
    path(
        "api/stages/<str:uid>/", resource(get=workflow.read_stage, patch=workflow.edit_stage, delete=leads.delete_stage)
    ),
    path("api/config/", resource(get=workflow.read_config, post=workflow.create_config, patch=workflow.edit_config)),
    path("api/scoring/preview/", resource(post=scoring.preview_scoring)),
    path("api/scoring/recount/", resource(get=scoring.read_recount, post=scoring.start_recount)),
    path("api/config/lock/", resource(post=workflow.lock_config)),
    path("api/config/unlock/", resource(post=workflow.unlock_config)),
    path("api/leads/<str:uid>/privacy/export/", resource(get=privacy.export_person)),
    path("api/leads/<str:uid>/privacy/erase/", resource(post=privacy.erase_person)),
    path("api/privacy/retention/", resource(post=privacy.apply_retention)),
    path("api/audit/", resource(get=audit.list_audit)),
    *openapi.urlpatterns,
    *enquiry.urlpatterns,
]

handler400 = "lead_crm.http.bad_request"
handler404 = "lead_crm.http.not_found"
handler500 = "lead_crm.http.server_error"
